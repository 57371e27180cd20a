-- Conversations of a person with its K-gent. They are the person's own: nobody else of the tenant sees them.
create table kgent_sessions (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  title text,
  mode text not null,
  status text not null default 'active' check (status in ('active', 'closed')),
  message_count int not null default 0,
  tokens_used int not null default 0,
  last_message_at timestamptz,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index kgent_sessions_by_person on kgent_sessions (tenant_id, user_id, id desc);

create table kgent_messages (
  id uuid primary key,
  tenant_id uuid not null,
  session_id uuid not null references kgent_sessions,
  role text not null check (role in ('user', 'assistant')),
  content text not null,
  tokens_in int not null default 0,
  tokens_out int not null default 0,
  model text,
  created_at timestamptz not null default now()
);
create index kgent_messages_by_session on kgent_messages (tenant_id, session_id, id desc);

select enable_tenant_isolation(array['kgent_sessions', 'kgent_messages']::regclass[]);
grant select, insert, update on kgent_sessions to kgents_app;
grant select, insert on kgent_messages to kgents_app;
