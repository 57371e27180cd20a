-- Amounts are exact decimals from the request to the ledger: binary fractions do not add up.
alter table entropy_pools alter column initial type numeric, alter column remaining type numeric;
alter table entropy_grants alter column amount type numeric;
alter table gratitude alter column amount type numeric;

-- What is reserved once, and what ends once, is one index; nobody looks a ledger entry up by an id of its own.
alter table charges drop constraint charges_reservation_id_kind_resource_key;
drop index charges_end_once;
create unique index charges_once on charges (reservation_id, resource, (kind = 'reserved'));
alter table charges drop column id;
