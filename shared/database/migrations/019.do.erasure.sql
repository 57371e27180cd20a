-- The job that a key stands for: a repetition is answered with what that has come to.
alter table idempotency_keys add column job_id uuid;
update idempotency_keys set job_id = (answer #>> '{body,job,id}')::uuid where answer ->> 'status' = '202';
