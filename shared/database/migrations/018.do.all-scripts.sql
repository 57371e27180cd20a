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
