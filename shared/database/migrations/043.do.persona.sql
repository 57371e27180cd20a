-- What K-gent knows about a person: where its character stands for that person, what occupies the person now, and its
-- preferences and patterns. All of it is the person's own; nobody else of the tenant reads it.

-- Values that are not set are those of the default persona.
create table personas (
  tenant_id uuid not null,
  user_id uuid not null,
  name text,
  roles jsonb not null default '[]',
  -- By axis: `{"value": 0.4, "confidence": 1}`, both from 0 to 1.
  eigenvectors jsonb not null default '{}',
  current_focus text,
  recent_interests jsonb not null default '[]',
  active_projects jsonb not null default '[]',
  updated_at timestamptz not null default now(),
  primary key (tenant_id, user_id)
);

-- A preference or a pattern. What was inferred is pending until the person accepts it; what was accepted can be taken back.
create table persona_traits (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  aspect text not null check (aspect in ('preference', 'pattern')),
  -- Such as `communication.style`, `values` or `thinking`.
  path text not null,
  content text not null check (char_length(content) between 1 and 300),
  -- The content as it is compared: without case, marks and repeated spaces.
  key text not null,
  source text not null check (source in ('explicit', 'inferred', 'inherited', 'uncertain')),
  -- As it was when the trait was last confirmed; from then on it decays.
  confidence double precision not null check (confidence between 0 and 1),
  confirmed_at timestamptz not null default now(),
  occurrences integer not null default 1 check (occurrences > 0),
  status text not null check (status in ('pending', 'committed', 'reverted')),
  reason text,
  -- Where it was noticed: session, message and job, of each occurrence.
  evidence jsonb not null default '[]',
  -- The committed trait that it contradicts, and that it replaces where it is accepted.
  replaces uuid,
  -- The semaphore that asks about the contradiction.
  token_id text,
  created_at timestamptz not null default now(),
  decided_at timestamptz
);
create unique index persona_traits_live on persona_traits (tenant_id, user_id, aspect, path, key)
  where status in ('pending', 'committed');
create index persona_traits_of_person on persona_traits (tenant_id, user_id, status, id);

select enable_tenant_isolation(array['personas', 'persona_traits']::regclass[]);
grant select, insert on personas, persona_traits to kgents_app;
grant update (name, roles, eigenvectors, current_focus, recent_interests, active_projects, updated_at)
  on personas to kgents_app;
grant update (source, confidence, confirmed_at, occurrences, status, reason, evidence, replaces, token_id, decided_at)
  on persona_traits to kgents_app;
-- A person's oldest reverted traits make room for new ones.
grant delete on persona_traits to kgents_app;

-- Where a memory was said, when it comes from a conversation, and the model that said it.
alter table memories add column session_id uuid, add column message_id uuid, add column model text;

-- Answers of conversations that a model gave when it was shown a memory: they are erased when it is forgotten.
create table memory_quotes (
  tenant_id uuid not null,
  memory_id uuid not null,
  session_id uuid not null,
  job_id uuid not null,
  quoted_at timestamptz not null default now(),
  primary key (tenant_id, memory_id, session_id, job_id)
);
select enable_tenant_isolation(array['memory_quotes']::regclass[]);
grant select, insert, delete on memory_quotes to kgents_app;
grant update (content) on kgent_messages to kgents_app;
