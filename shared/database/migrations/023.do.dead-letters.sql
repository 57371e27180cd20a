-- Events that a function did not take by the last attempt, as they came, to be looked at and delivered again.
create table dead_letters (
  id uuid primary key,
  tenant_id uuid not null,
  message_id text not null,
  function text not null,
  type text not null,
  event text not null,
  -- What the function answered last.
  error jsonb not null,
  replays int not null default 0,
  kept_at timestamptz not null default now(),
  unique (tenant_id, message_id, function)
);
create index dead_letters_by_tenant on dead_letters (tenant_id, id desc);
create index dead_letters_by_age on dead_letters (kept_at);

select enable_tenant_isolation(array['dead_letters']::regclass[]);
grant select, insert, delete, update (error, replays) on dead_letters to kgents_app;

create policy relay_reads on dead_letters for select to kgents_relay using (true);
create policy relay_deletes on dead_letters for delete to kgents_relay using (true);
grant select (id, kept_at), delete on dead_letters to kgents_relay;

-- They may quote what was forgotten, or what a model has made of it: they are copies as well.
create policy erasure on dead_letters to kgents_eraser using (true);
grant select (tenant_id, event), delete on dead_letters to kgents_eraser;

call as_owner('kgents_eraser', 'alter function erase_copies(uuid, uuid[]) rename to erase_copies_in_work');
create function erase_copies(tenant uuid, forgotten uuid[]) returns setof uuid
  language plpgsql security definer set search_path = pg_catalog, public, pg_temp
as $$
begin
  return query select public.erase_copies_in_work(tenant, forgotten);
  delete from public.dead_letters
  where tenant_id = tenant and public.mentioned_ids(event) &&
    (forgotten || array(select id from public.jobs where tenant_id = tenant and forgotten_at is not null));
end
$$;
revoke execute on function erase_copies(uuid, uuid[]) from public;
call hand_over('erase_copies(uuid, uuid[])', 'kgents_eraser');
