-- Why the model ended its answer, and which of several model servers finished it.
alter table jobs add finish_reason text, add server text;

-- A cancelled job that a worker may have begun with is charged when a worker has reported what was generated. Should none
-- ever do so, the relay ends the wait.
create index jobs_unsettled on jobs (admitted_at) where status = 'cancelled' and charges is null;
grant select (charges) on jobs to kgents_relay;
