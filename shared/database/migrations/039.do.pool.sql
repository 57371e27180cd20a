-- What a job's tokens cost by the catalogue of models, in US dollars.
alter table jobs add column cost_usd numeric check (cost_usd >= 0);
