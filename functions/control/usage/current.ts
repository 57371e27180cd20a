/** What a tenant has used of its plan in the month (UTC) that it is, and what that comes to. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { BILLED } from '../../../shared/metering/usage.ts'
import { METER_NAMES } from '../../../shared/metering/meters.ts'

export const CurrentUsage = z.strictObject({
  period: z.strictObject({ from: z.string(), to: z.string() }).describe('The month, in UTC'),
  meters: z.array(
    z.strictObject({
      meter: z.string(),
      every: z.enum(['day', 'month']).describe('What the limit is for'),
      used: z.number(),
      limit: z.number().nullable().describe('Null is without limit'),
      percent: z.number().nullable(),
      projected: z.number().describe('At the end of the period, if it goes on as on average so far'),
      overage_cents: z
        .number()
        .nullable()
        .describe('What the use past the plan costs so far; null where it has no price'),
    }),
  ),
  storage_bytes: z.int().describe('Held at the beginning of the hour'),
})

interface Row {
  meter: string
  every: 'day' | 'month'
  used: string
  bound: string | null
  percent: string | null
  projected: string
  cents: string | null
}

/** Each meter by the month, and what a day is limited in by the day as well. A month has the calls of 30 days. */
export async function readCurrent({ db }: Pick<Call, 'db'>): Promise<z.infer<typeof CurrentUsage>> {
  const [now] = await db<[{ from: Date; to: Date; held: string }]>`
    select date_trunc('month', now(), 'UTC') as from,
      (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC' as to,
      coalesce((select bytes from storage_samples order by at desc limit 1), 0) as held`
  const rows = await db<Row[]>`
    with bounds as materialized (select meter, every, bound from own_usage_bounds()),
    prices as materialized (
      select key as meter, (value ->> 'cents')::numeric as cents, (value ->> 'per')::numeric as per
      from jsonb_each(own_usage_prices())
    ),
    used as materialized (
      select case meter when 'storage_byte_hours' then 'storage_gb_months' else meter end as meter, every,
        sum(case when meter = 'storage_byte_hours' then quantity * 3600 / 1e9 / extract(epoch from ${now.to}::timestamptz - ${now.from}) else quantity end) as used
      from (
        select meter, case length(period) when 7 then 'month' else 'day' end as every, quantity from usage_periods
        where period in (to_char(now() at time zone 'UTC', 'YYYY-MM'), to_char(now() at time zone 'UTC', 'YYYY-MM-DD'))
        union all
        select meter, 'month', quantity from usage_tail(${now.from}, ${now.to})
        union all
        select meter, 'day', quantity from usage_tail(date_trunc('day', now(), 'UTC'), ${now.to})
      ) as periods group by 1, 2
    ),
    included as (
      select meter, every, bound from bounds where meter <> 'storage_bytes'
      union all select meter, 'month', bound * 30 from bounds where every = 'day'
      union all select 'storage_gb_months', every, bound / 1e9 from bounds where meter = 'storage_bytes'
    ),
    shown as (
      select meter, 'month' as every, place from unnest(${METER_NAMES}::text[]) with ordinality as all_of (meter, place)
      union all select meter, 'day', 100 from bounds where every = 'day'
    )
    select meter, every, trim_scale(round(amount, 6)) as used, trim_scale(bound) as bound,
      trim_scale(round(amount * 100 / nullif(bound, 0), 2)) as percent,
      trim_scale(round(amount / passed, 6)) as projected,
      case when every = 'month' and meter = any(${[...BILLED]}::text[]) and per is not null
        then trim_scale(round(greatest(0, amount - coalesce(bound, case when meter = 'gpu_seconds' then 0 else amount end)) * cents / per, 6))
      end as cents
    from (
      select s.meter, s.every, s.place, coalesce(u.used, 0) as amount, i.bound, p.cents, p.per,
        greatest(extract(epoch from now() - date_trunc(s.every, now(), 'UTC')), 3600)
          / extract(epoch from case s.every when 'day' then interval '1 day' else ${now.to}::timestamptz - ${now.from} end) as passed
      from shown s left join used u using (meter, every) left join included i using (meter, every)
      left join prices p using (meter)
    ) as each order by place`
  return {
    period: { from: now.from.toISOString(), to: now.to.toISOString() },
    meters: rows.map(describe),
    storage_bytes: Number(now.held),
  }
}

function describe({ meter, every, used, bound, percent, projected, cents }: Row) {
  return {
    meter,
    every,
    used: Number(used),
    limit: numberOf(bound),
    percent: numberOf(percent),
    projected: Number(projected),
    overage_cents: numberOf(cents),
  }
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text)
}
