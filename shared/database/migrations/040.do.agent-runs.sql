-- What an agent may use, and how far it may go. Like its instructions, none of it changes.
alter table agents
  add column tools jsonb not null default '[]',
  add column model text,
  add column max_steps integer check (max_steps > 0),
  add column budget_tokens integer check (budget_tokens > 0),
  add column memory boolean not null default false,
  -- Tools that wait for a person: 'none', 'all', or their names.
  add column approval jsonb not null default '"none"',
  add column approval_seconds integer check (approval_seconds > 0);

-- A run of an agent: counters and what it waits for. The job of the same id is what its caller follows, and has what was asked.
create table agent_runs (
  id uuid primary key references jobs,
  tenant_id uuid not null,
  user_id uuid not null,
  agent_id uuid not null references agents,
  max_steps integer not null check (max_steps > 0),
  budget_tokens bigint check (budget_tokens > 0),
  -- What is next: the model answers, a tool is called, or a person decides about one.
  state text not null default 'model' check (state in ('model', 'tools', 'human')),
  -- Rows of agent_steps; the last of them that the model wrote; and which of its tool calls is next.
  position integer not null default 0,
  turn integer not null default 0,
  next_call integer not null default 0,
  -- Answers of the model, which are what is limited, and what they used.
  steps integer not null default 0,
  tokens_used bigint not null default 0,
  -- The job that is under way, or the question.
  waiting_job uuid,
  semaphore_id text,
  -- Failed attempts at what is next.
  attempts integer not null default 0,
  finish text,
  moved_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);
create index agent_runs_by_person on agent_runs (tenant_id, user_id, id desc);
create index agent_runs_by_semaphore on agent_runs (tenant_id, semaphore_id) where semaphore_id is not null;

-- What a run has done, in its order: answers of the model, answers of tools, decisions of people. Rows are added and never changed,
-- unless what they quote is to be forgotten.
create table agent_steps (
  run_id uuid not null references agent_runs,
  n integer not null,
  tenant_id uuid not null,
  kind text not null check (kind in ('memory', 'model', 'tool', 'human')),
  -- Of a tool: the name by which the model called it, and the id of that call.
  tool text,
  call_id text,
  input text not null default '',
  output text not null default '',
  -- Tool calls that the model wants.
  calls jsonb not null default '[]',
  failed boolean not null default false,
  model text,
  tokens integer not null default 0,
  job uuid,
  duration_ms integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (run_id, n)
);
select enable_tenant_isolation(array['agent_runs', 'agent_steps']::regclass[]);
grant select, insert on agent_runs, agent_steps to kgents_app;
grant update (state, position, turn, next_call, steps, tokens_used, waiting_job, semaphore_id, attempts, finish, moved_at)
  on agent_runs to kgents_app;

-- Runs that wait for nothing and have not moved for a while: the event that goes on was lost. Those whose question is past its
-- deadline: nobody emits an event then. And those that quote what was forgotten, which are to end.
create view stalled_agent_runs with (security_invoker = true) as
  select r.id, r.tenant_id from agent_runs r join jobs j on j.id = r.id
  where j.status = 'running' and case
    when j.forgotten_at is not null then true
    when r.state = 'human' then exists (
      select from semaphores s where s.tenant_id = r.tenant_id and s.id = r.semaphore_id
        and (s.status <> 'pending' and r.moved_at < now() - interval '10 minutes' or s.deadline <= now()))
    else r.moved_at < now() - interval '10 minutes'
      and not exists (select from jobs w where w.id = r.waiting_job and w.status in ('queued', 'running'))
    end;
grant select on stalled_agent_runs to kgents_app, kgents_scheduler;
create policy due on agent_runs for select to kgents_scheduler using (true);
create policy due_agent_runs on semaphores for select to kgents_scheduler using (true);
grant select (id, tenant_id, state, waiting_job, semaphore_id, moved_at) on agent_runs to kgents_scheduler;
grant select (id, tenant_id, status, deadline) on semaphores to kgents_scheduler;
grant select (forgotten_at) on jobs to kgents_scheduler;

create function tenants_with_stalled_agent_runs() returns setof uuid
  language sql stable security definer set search_path = pg_catalog, public, pg_temp
as $$
  select distinct tenant_id from public.stalled_agent_runs
$$;
revoke execute on function tenants_with_stalled_agent_runs() from public;
grant execute on function tenants_with_stalled_agent_runs() to kgents_app, kgents_relay;
call hand_over('tenants_with_stalled_agent_runs()', 'kgents_scheduler');

-- What was forgotten is quoted by what an agent has recalled, and by what it went on to say.
create policy erasure on agent_runs to kgents_eraser using (true);
create policy erasure on agent_steps to kgents_eraser using (true);
grant select (id, tenant_id, waiting_job) on agent_runs to kgents_eraser;
create policy erasure on semaphores to kgents_eraser using (true);
grant select (tenant_id, user_id, about), update (prompt, about) on semaphores to kgents_eraser;
grant select (run_id, tenant_id, kind, output, job), update (input, output, calls) on agent_steps to kgents_eraser;
create index agent_steps_by_mention on agent_steps using gin (mentioned_ids(output)) where kind <> 'model';
create function erase_agent_steps() returns trigger
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
declare
  quoting uuid[] := array(
    select distinct run_id from public.agent_steps
    where tenant_id = new.tenant_id and kind <> 'model' and public.mentioned_ids(output) && array[new.id]);
begin
  if quoting = '{}' then
    return null;
  end if;
  update public.agent_steps set input = '', output = '', calls = '[]' where run_id = any (quoting);
  -- Questions about tool calls have their arguments.
  update public.semaphores set prompt = '[forgotten]', about = null
  where tenant_id = new.tenant_id and user_id = new.user_id and about ->> 'run' = any (quoting::text[]);
  -- With the jobs of its steps, which have the words of the model.
  quoting := quoting
    || array(select job from public.agent_steps where run_id = any (quoting) and job is not null)
    || array(select waiting_job from public.agent_runs where id = any (quoting) and waiting_job is not null);
  update public.jobs set forgotten_at = now() where id = any (quoting) and tenant_id = new.tenant_id;
  update public.jobs set call = jsonb_set(call, '{input}', 'null'), result = null
    where id = any (quoting) and tenant_id = new.tenant_id and status not in ('queued', 'running');
  return null;
end
$$;
create trigger memories_erase_agent_steps after update of forgotten_at on memories
  for each row when (new.forgotten_at is not null and old.forgotten_at is null) execute function erase_agent_steps();
revoke execute on function erase_agent_steps() from public;
call hand_over('erase_agent_steps()', 'kgents_eraser');
