-- When the secret was rotated before `rotated_at`, newest first, as far as the secrets that those rotations replaced may still
-- sign: each signs for a day more, however many rotations follow.
alter table webhook_subscriptions add column earlier_rotations jsonb not null default '[]';
grant select (earlier_rotations) on webhook_subscriptions to kgents_relay;
