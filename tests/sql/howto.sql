-- The statements of the HOWTO work as they are printed, and count at once.
SET ROLE sqlmail_writer;
insert into access values ('localhost','RELAY');
insert into access values ('127.0.0.1','RELAY');
insert into access values ('mail.server.com','RELAY');
insert into aliases values ('MAILER-DAEMON','david');
insert into virtualusers values ('david@hostA.com','david@hostB.com');
insert into virtualusers values ('@domainC.com','joe@target.com');
insert into mailertable values ('mail.domain.com','esmtp:mail.primaryrelay.com');
SET ROLE sqlmail_reader;
SELECT mail.lookup_access('127.0.0.1') AS "RELAY";
SELECT mail.lookup_aliases('MAILER-DAEMON') AS david;
SELECT mail.lookup_virtualusers('david@HOSTa.com') AS "david@hostB.com";
SELECT mail.lookup_virtualusers('anybody@domainc.COM') AS "joe@target.com";
SELECT mail.lookup_mailertable('mail.domain.com') AS "esmtp:mail.primaryrelay.com";
-- Keys are kept as they were typed.
SELECT key FROM virtualusers ORDER BY key COLLATE "C";
-- Taking the row away takes the effect away.
SET ROLE sqlmail_writer;
DELETE FROM virtualusers WHERE key = '@domainC.com';
SET ROLE sqlmail_reader;
SELECT count(*) AS "0" FROM mail.lookup_virtualusers('anybody@domainc.com');
