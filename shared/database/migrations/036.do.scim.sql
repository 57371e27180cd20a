-- People and groups as a tenant's directory provisions them (SCIM 2.0).
create table scim_users (
  user_id uuid primary key references users,
  tenant_id uuid not null,
  user_name text not null,
  external_id text,
  given_name text,
  family_name text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index scim_users_by_name on scim_users (tenant_id, lower(user_name));

create table scim_groups (
  id uuid primary key,
  tenant_id uuid not null,
  display_name text not null,
  external_id text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, display_name)
);

create table scim_group_members (
  group_id uuid not null references scim_groups on delete cascade,
  user_id uuid not null references users,
  tenant_id uuid not null,
  primary key (group_id, user_id)
);
create index scim_group_members_by_person on scim_group_members (user_id);

select enable_tenant_isolation(array['scim_users', 'scim_groups', 'scim_group_members']::regclass[]);
grant select, insert, delete, update (user_name, external_id, given_name, family_name, updated_at) on scim_users to kgents_app;
grant select, insert, delete, update (display_name, external_id, updated_at) on scim_groups to kgents_app;
grant select, insert, delete on scim_group_members to kgents_app;
