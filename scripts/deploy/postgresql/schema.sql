-- What nodes share, and who may do what with it. As a superuser, in a database of its own:
--
--     createdb sshecho
--     psql -d sshecho -v ON_ERROR_STOP=1 --single-transaction -f schema.sql
--
-- then a password for each role (\password sshecho), which belongs into the nodes' PGPASSFILE.

CREATE ROLE sshecho LOGIN;        -- the nodes: they read users, and share penalties
CREATE ROLE sshecho_admin LOGIN;  -- sshecho passwd: it writes users

CREATE TABLE users (
    username VARCHAR(255) PRIMARY KEY,
    password VARCHAR(255) NOT NULL  -- a bcrypt hash
);

CREATE TABLE public_keys (
    username VARCHAR(255) NOT NULL,
    public_key TEXT NOT NULL        -- a line of authorized_keys
);
CREATE INDEX public_keys_username ON public_keys (username);

-- A crash of the server may lose it: none of it is older than ten minutes.
CREATE UNLOGGED TABLE sshecho_penalties (
    source TEXT PRIMARY KEY,             -- an address, or of IPv6 a network of 64 bits
    until DOUBLE PRECISION NOT NULL,     -- when it owes nothing any more, in seconds since 1970
    added DOUBLE PRECISION NOT NULL      -- what was added last, in seconds
);
CREATE INDEX sshecho_penalties_until ON sshecho_penalties (until);

-- Before PostgreSQL 15 whoever may connect may make tables here.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT SELECT ON users, public_keys TO sshecho;
GRANT SELECT, INSERT, UPDATE, DELETE ON sshecho_penalties TO sshecho;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, public_keys TO sshecho_admin;
