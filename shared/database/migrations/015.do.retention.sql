-- What was kept so that nothing happens twice is of no use once nothing can come again: streams keep events for 7 days.
create index inbox_by_age on inbox (received_at);
create index idempotency_keys_by_age on idempotency_keys (created_at);

create policy relay_reads on inbox for select to kgents_relay using (true);
create policy relay_deletes on inbox for delete to kgents_relay using (true);
grant select (consumer, event_id, received_at), delete on inbox to kgents_relay;

create policy relay_reads on idempotency_keys for select to kgents_relay using (true);
create policy relay_deletes on idempotency_keys for delete to kgents_relay using (true);
grant select (tenant_id, key, created_at), delete on idempotency_keys to kgents_relay;
