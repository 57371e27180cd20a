-- Conversations that outlive every process: one turn at a time, a queue of turns, messages in an order of their own, and summaries of
-- what a model is not shown any more.
alter table kgent_sessions drop constraint kgent_sessions_status_check;
alter table kgent_sessions
  add check (status in ('active', 'archived', 'closed')),
  add column budget text not null default 'dialogue' check (budget in ('dormant', 'whisper', 'dialogue', 'deep')),
  add column when_busy text not null default 'reject' check (when_busy in ('reject', 'enqueue', 'interrupt')),
  add column ended_reason text check (ended_reason in ('closed', 'idle')),
  add column forked_from uuid,
  add column forked_at int,
  -- Messages up to this place are shown to no model any more.
  add column reset_at int not null default 0,
  -- The place of the latest message, and the number of the latest turn.
  add column last_position int not null default 0,
  add column last_turn int not null default 0;
create index kgent_sessions_due on kgent_sessions (expires_at) where status = 'active';

alter table kgent_messages
  add column position int,
  -- By the model's tokenizer; null until a model has read it.
  add column tokens int check (tokens >= 0),
  -- Whether it is as far as an answer had come when it was interrupted.
  add column interrupted boolean not null default false,
  add column job uuid;

-- Row-level security would hide the rows from an owner that is no superuser.
alter table kgent_messages no force row level security;
alter table kgent_sessions no force row level security;
update kgent_messages m set position = numbered.position from (
  select id, row_number() over (partition by session_id order by id) as position from kgent_messages
) numbered where numbered.id = m.id;
update kgent_sessions s set last_position = counted.position from (
  select session_id, max(position) as position from kgent_messages group by session_id
) counted where counted.session_id = s.id;
update kgent_sessions set ended_reason = 'closed' where status = 'closed';
alter table kgent_messages force row level security;
alter table kgent_sessions force row level security;
alter table kgent_messages alter column position set not null;
create unique index kgent_messages_by_position on kgent_messages (session_id, position);
drop index kgent_messages_by_session;
grant update (tokens) on kgent_messages to kgents_app;

-- A turn is one message of a person and what a model answers to it; its job carries it.
create table kgent_turns (
  job uuid primary key,
  tenant_id uuid not null,
  session_id uuid not null references kgent_sessions,
  number int not null,
  status text not null check (status in ('queued', 'running', 'interrupted', 'done')),
  -- The place that the answer will have.
  reply_position int,
  -- Messages that the model was sent, in their order; null for those that are no message of the session.
  sent jsonb not null default '[]',
  created_at timestamptz not null default now(),
  unique (session_id, number)
);
create unique index kgent_turns_running on kgent_turns (session_id) where status = 'running';
create index kgent_turns_open on kgent_turns (session_id, number) where status in ('queued', 'running');

-- What a model made of the messages up to a place, for itself.
create table kgent_summaries (
  id uuid primary key,
  tenant_id uuid not null,
  session_id uuid not null references kgent_sessions,
  covers_from int not null,
  covers_to int not null,
  content text not null,
  tokens int not null check (tokens >= 0),
  created_at timestamptz not null default now(),
  unique (session_id, covers_to)
);

select enable_tenant_isolation(array['kgent_turns', 'kgent_summaries']::regclass[]);
grant select, insert on kgent_turns, kgent_summaries to kgents_app;
-- A summary may quote a memory that is forgotten.
grant delete on kgent_summaries to kgents_app;
grant update (status, reply_position, sent) on kgent_turns to kgents_app;

-- Conversations that are over since nobody has spoken, and queues whose word to go on was lost on its way.
create view due_kgent_sessions with (security_invoker = true) as
  select s.id, s.tenant_id,
    exists (select from kgent_turns t where t.session_id = s.id and t.status in ('queued', 'running')) as has_turns
  from kgent_sessions s
  where (s.status = 'active' and s.expires_at <= now()
      and not exists (select from kgent_turns t join jobs j on j.id = t.job
        where t.session_id = s.id and t.status in ('queued', 'running') and j.status in ('queued', 'running')))
    or exists (
      select from kgent_turns t where t.session_id = s.id and t.status = 'queued'
        and t.created_at < now() - interval '1 minute'
        and not exists (select from kgent_turns r join jobs j on j.id = r.job
          where r.session_id = s.id and r.status = 'running' and j.status in ('queued', 'running')));
grant select on due_kgent_sessions to kgents_app, kgents_scheduler;
create policy due on kgent_sessions for select to kgents_scheduler using (true);
create policy due on kgent_turns for select to kgents_scheduler using (true);
grant select (id, tenant_id, status, expires_at) on kgent_sessions to kgents_scheduler;
grant select (job, session_id, status, created_at) on kgent_turns to kgents_scheduler;

create function tenants_with_due_kgent_sessions() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct tenant_id from public.due_kgent_sessions
$$;
revoke execute on function tenants_with_due_kgent_sessions() from public;
grant execute on function tenants_with_due_kgent_sessions() to kgents_app, kgents_relay;
call hand_over('tenants_with_due_kgent_sessions()', 'kgents_scheduler');
