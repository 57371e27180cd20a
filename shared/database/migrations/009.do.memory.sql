-- What people remember and what a tenant's concepts mean, and how their texts are found again: by words, by letters where
-- a word is unknown, and by meaning.

create extension if not exists pg_trgm;
create extension if not exists btree_gin;

-- Owns the one function that looks for words: under row-level security PostgreSQL uses no index on words or letters,
-- because their operators could tell of rows that the caller may not see.
do $$
begin
  if not exists (select from pg_roles where rolname = 'kgents_recall') then
    create role kgents_recall nologin nosuperuser nobypassrls;
  end if;
end
$$;
grant usage on schema public to kgents_recall;

-- Texts that can be recalled, whatever they belong to. A text that changes gets a new id, so that a vector of the old one
-- never lands on it.
create table recall_entries (
  id uuid primary key,
  tenant_id uuid not null,
  -- `memory` or `concept`; the owner is the person, or nil where it is the whole tenant's; the subject is what it tells of.
  kind text not null,
  owner uuid not null,
  subject text not null,
  text text not null,
  tags jsonb not null default '[]',
  hidden boolean not null default false,
  words tsvector not null generated always as (to_tsvector('english', text)) stored,
  -- 32-bit floats, little-endian, of length 1; and a sketch of them: vectors that are close differ in few bits.
  vector bytea,
  sketch bit varying,
  -- Vectors of different models cannot be compared.
  model text,
  embedded_at timestamptz,
  -- How often a job was asked for its vector in vain.
  tries smallint not null default 0,
  unique (tenant_id, kind, owner, subject)
);
-- Vectors lie apart from the rows and sketches in them, so that going through all sketches of a person reads little else.
alter table recall_entries alter vector set storage external;
alter table recall_entries alter sketch set storage main;
alter table recall_entries set (toast_tuple_target = 1024);
create index recall_entries_by_words on recall_entries using gin (tenant_id, words);
create index recall_entries_by_letters on recall_entries using gin (tenant_id, text gin_trgm_ops);
create index recall_entries_waiting on recall_entries (tenant_id, kind, tries, id) where embedded_at is null;

-- The model that a tenant's vectors of a kind come from, and since when: older ones of another model are made again. It
-- does not change before `fixed_until`.
create table recall_models (
  tenant_id uuid not null,
  kind text not null,
  model text not null,
  since timestamptz not null default now(),
  fixed_until timestamptz not null default now() + interval '1 day',
  primary key (tenant_id, kind)
);

select enable_tenant_isolation(array['recall_entries', 'recall_models']::regclass[]);
grant select, insert, update, delete on recall_entries to kgents_app;
grant select, insert, update on recall_models to kgents_app;
create policy recall on recall_entries for select to kgents_recall using (true);
grant select on recall_entries to kgents_recall;

-- Entries of this transaction's tenant that have words of `question` in them, best first. `similarity` is the share of
-- the question's words that an entry has; a word that no entry has counts as much as the likest word is alike.
-- `question` is words of letters and digits with one space between them.
create function recall_by_words(wanted_kind text, wanted_owner uuid, question text, wanted_tags jsonb, most integer)
  returns table (subject text, similarity real)
  language plpgsql stable security definer
  set search_path = pg_catalog, public, pg_temp
  set pg_trgm.word_similarity_threshold = 0.4
as $$
declare
  tenant uuid := public.current_tenant();
  -- OR between words: a question is rarely put in all the words of its answer.
  asked tsquery := websearch_to_tsquery('english', replace(question, ' ', ' or '));
  lexemes text[] := tsvector_to_array(to_tsvector('english', question));
  strange text[];
begin
  if tenant is null or cardinality(lexemes) = 0 then return; end if;
  select array_agg(word) into strange from (
    select distinct word from unnest(string_to_array(question, ' ')) as word
    where length(word) between 4 and 40 and numnode(plainto_tsquery('english', word)) > 0
      and not exists (
        select from public.recall_entries e
        where e.tenant_id = tenant and e.words @@ plainto_tsquery('english', word)
          and e.kind = wanted_kind and e.owner = wanted_owner and not e.hidden)
    limit 4
  );
  return query
  with exact as (
    select e.id, e.subject, ts_rank(e.words, asked, 1) as rank,
      (select count(*) from unnest(lexemes) lexeme where lexeme = any (tsvector_to_array(e.words))) as share
    from public.recall_entries e
    where e.tenant_id = tenant and e.words @@ asked
      and e.kind = wanted_kind and e.owner = wanted_owner and not e.hidden and e.tags @> wanted_tags
    order by rank desc limit most
  ), alike as (
    select e.id, e.subject, 0::real as rank, sum(word_similarity(word, e.text)) as share
    from unnest(strange) word join public.recall_entries e on e.tenant_id = tenant and word <% e.text
    where e.kind = wanted_kind and e.owner = wanted_owner and not e.hidden and e.tags @> wanted_tags
    group by e.id order by share desc limit most
  ), found as (
    select * from exact union all select * from alike
  )
  select f.subject, least(1, sum(f.share) / cardinality(lexemes))::real
  from found f group by f.id, f.subject order by 2 desc, sum(f.rank) desc, f.id desc limit most;
end
$$;
revoke execute on function recall_by_words(text, uuid, text, jsonb, integer) from public;
grant execute on function recall_by_words(text, uuid, text, jsonb, integer) to kgents_app;
call hand_over('recall_by_words(text, uuid, text, jsonb, integer)', 'kgents_recall');

-- Whether a job is under way, and what was recalled since a person's memories were consolidated.
create index jobs_under_way on jobs (tenant_id) where status in ('queued', 'running');
create index jobs_recalled on jobs (tenant_id, user_id, finished_at) where path = 'self.memory.recall';

-- A person's memories.
create table memories (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  content text not null,
  tags jsonb not null,
  source_type text not null,
  source_ref text,
  metadata jsonb not null,
  causal_parent uuid,
  lifecycle text not null default 'active' check (lifecycle in ('active', 'dormant', 'dreaming', 'composting')),
  resolution real not null default 1 check (resolution between 0 and 1),
  -- As it was at `relevant_at`; from then on it decays.
  relevance real not null default 1 check (relevance between 0 and 1),
  relevant_at timestamptz not null default now(),
  cherished boolean not null default false,
  access_count integer not null default 0,
  last_accessed timestamptz,
  captured_at timestamptz not null default now(),
  forgotten_at timestamptz
);
create index memories_by_time on memories (tenant_id, user_id, captured_at desc, id desc);

-- What is left of a memory's relevance: half of it after thirty days without being recalled, all of it where it is
-- cherished. What is less than a millionth is nothing: after some years it would be too small to be a number at all.
create function relevance_now(memory memories) returns real
  language sql stable
  return case when memory.cherished then memory.relevance else (
    select case when decayed < 0.000001 then 0 else decayed end
    from (select memory.relevance * power(0.5::double precision,
      least(60, greatest(0, extract(epoch from now() - memory.relevant_at)::double precision / (30 * 86400)))) as decayed)
  ) end;

create table memory_checkpoints (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid not null,
  label text not null,
  memory_count integer not null,
  at timestamptz not null default now()
);
create index memory_checkpoints_by_time on memory_checkpoints (tenant_id, user_id, at desc);

-- The latest consolidation of each person's memories.
create table memory_consolidations (
  tenant_id uuid not null,
  user_id uuid not null,
  at timestamptz not null,
  primary key (tenant_id, user_id)
);

-- `concept.<name>`; the roots that everybody has are no rows.
create table concepts (
  tenant_id uuid not null,
  name text collate "C" not null check (name ~ '^[a-z][a-z0-9_]{0,63}$'),
  definition text not null,
  domain text not null,
  examples jsonb not null,
  related jsonb not null,
  -- Lineage: parents by name, and what comes from them.
  extends jsonb not null,
  justification text not null,
  affordances jsonb not null,
  constraints jsonb not null,
  depth integer not null check (depth > 0),
  -- Rises by one with each refinement.
  version integer not null default 1,
  created_by uuid not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, name)
);

select enable_tenant_isolation(
  array['memories', 'memory_checkpoints', 'memory_consolidations', 'concepts']::regclass[]);
grant select, insert, update, delete on memories to kgents_app;
grant select, insert, delete on memory_checkpoints to kgents_app;
grant select, insert, update on memory_consolidations to kgents_app;
grant select, insert on concepts to kgents_app;
grant update (definition, version, updated_at) on concepts to kgents_app;
