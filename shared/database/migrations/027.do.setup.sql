-- The owner of the database makes the first tenant, its admin and that admin's key. Where it is no superuser, as with the databases
-- of a provider, row-level security holds for it as for all others.
create policy setting_up on tenants to current_user using (true) with check (true);
create policy setting_up on users to current_user using (true) with check (true);
create policy setting_up on api_keys to current_user using (true) with check (true);
