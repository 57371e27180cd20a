-- Memories that say the same are merged, and can be separated again.
alter table memories
  -- SHA-256 of what it says whatever its spaces and its case are; null until the next consolidation.
  add column statement bytea,
  -- The newer memory that it was merged into; such a memory is composting.
  add column merged_into uuid,
  -- The older memories that were merged into it, as they were.
  add column merged_from jsonb not null default '[]',
  -- Its tags without those of `merged_from`; null where nothing was merged into it.
  add column own_tags jsonb,
  -- A person took it back out of another one: it is never merged again.
  add column separate boolean not null default false;

-- A person's tags, and names that people give, are the same whatever their case and composition are, in any locale.
create function name_key(name text) returns text
  language sql immutable strict parallel safe
  return translate(replace(casefold(normalize(name, nfkc) collate pg_unicode_fast), U&'i\0307', 'i'), 'ı', 'i');
create function name_keys(names jsonb) returns jsonb
  language sql immutable strict parallel safe
  return (select coalesce(jsonb_agg(name_key(name)), '[]') from jsonb_array_elements_text(names) as name);
alter table memories add column tag_keys jsonb not null generated always as (name_keys(tags)) stored;

-- Words of all scripts: texts and questions are cut into words by the functions (shared/text), by the same rules, so that
-- neither PostgreSQL's parser nor the locale of the database decides what is found.
drop function recall_by_words(text, uuid, text, jsonb, integer);
drop index recall_entries_by_words, recall_entries_by_letters;
drop extension pg_trgm;
alter table recall_entries drop column words;
alter table recall_entries
  -- Null where the text is still to be cut into words; that is done where migrations are applied, and before texts are embedded.
  add column words tsvector,
  -- Triples of letters, each with the numbers of the words that have it.
  add column letters tsvector;
create index recall_entries_by_words on recall_entries using gin (tenant_id, words);
create index recall_entries_by_letters on recall_entries using gin (tenant_id, letters);
create index recall_entries_without_words on recall_entries (tenant_id, kind) where words is null;
alter table recall_entries no force row level security;
update recall_entries set tags = name_keys(tags) where tags <> '[]';
-- Vectors of what may be in a script that the model does not know: they are made again, where it does.
update recall_entries set vector = null, sketch = null, model = null, embedded_at = null, tries = 0
  where octet_length(text) <> length(text);
alter table recall_entries force row level security;

create policy words on recall_entries for update to kgents_recall using (words is null) with check (true);
grant update (words, letters) on recall_entries to kgents_recall;

-- Entries of this transaction's tenant that have any of a question's words, best first, with those of its lexemes that
-- they have: `lexemes`, and those that begin with one of `starts`. For the first few terms that no entry has `itself`:
-- entries with a word like it, with the share of its triples that one word has.
create function recall_by_words(
  wanted_kind text, wanted_owner uuid, wanted tsquery, lexemes jsonb, starts jsonb, likes jsonb, wanted_tags jsonb, most integer)
  returns table (subject text, lexemes_found jsonb, term integer, share real)
  language plpgsql stable security definer
  set search_path = pg_catalog, public, pg_temp
as $$
declare
  tenant uuid := public.current_tenant();
  exact text[] := array(select jsonb_array_elements_text(lexemes));
  begins text[] := array(select jsonb_array_elements_text(starts));
  likely jsonb;
  triples text[];
  query tsquery;
  strange integer := 0;
begin
  if tenant is null or numnode(wanted) = 0 then return; end if;
  return query
  select best.subject, to_jsonb(array(
    select lexeme from unnest(tsvector_to_array(best.words)) lexeme
    where lexeme = any (exact) or exists (select from unnest(begins) start where starts_with(lexeme, start))
  )), null::integer, null::real
  from (
    select e.id, e.subject, e.words, ts_rank(e.words, wanted, 1) as rank from public.recall_entries e
    where e.tenant_id = tenant and e.words @@ wanted
      and e.kind = wanted_kind and e.owner = wanted_owner and not e.hidden and e.tags @> wanted_tags
    order by rank desc, e.id desc limit most
  ) best order by best.rank desc, best.id desc;
  for likely in select each from jsonb_array_elements(likes) each loop
    triples := array(select jsonb_array_elements_text(likely->'triples'));
    query := likely->>'itself';
    continue when exists (
      select from public.recall_entries e
      where e.tenant_id = tenant and e.words @@ query
        and e.kind = wanted_kind and e.owner = wanted_owner and not e.hidden);
    query := likely->>'query';
    return query
    select best.subject, '[]'::jsonb, (likely->>'at')::integer, (likest.count / cardinality(triples)::real)::real
    from (
      select e.id, e.subject, e.letters from public.recall_entries e
      where e.tenant_id = tenant and e.letters @@ query
        and e.kind = wanted_kind and e.owner = wanted_owner and not e.hidden and e.tags @> wanted_tags
      order by ts_rank(e.letters, query) desc, e.id desc limit most
    ) best
    cross join lateral (
      select count(*) as count from unnest(best.letters) letter, unnest(letter.positions) word
      where letter.lexeme = any (triples) group by word order by 1 desc limit 1
    ) likest
    where likest.count >= (likely->>'least')::integer
    order by 4 desc, best.id desc;
    strange := strange + 1;
    exit when strange = 4;
  end loop;
end
$$;
revoke execute on function recall_by_words(text, uuid, tsquery, jsonb, jsonb, jsonb, jsonb, integer) from public;
grant execute on function recall_by_words(text, uuid, tsquery, jsonb, jsonb, jsonb, jsonb, integer) to kgents_app;
call hand_over('recall_by_words(text, uuid, tsquery, jsonb, jsonb, jsonb, jsonb, integer)', 'kgents_recall');
