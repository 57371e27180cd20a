/** All pages, in the order of the menu. */
import type { Page } from '../parts/section.ts'
import { AUDIT } from './audit.ts'
import { ALL_DEAD_LETTERS, HEALTH, MARGINS, METERING, QUEUES, TENANTS } from './operator-tables.ts'
import { DEVICE } from './device.ts'
import { OVERVIEW } from './overview.ts'
import { PLAYGROUND } from './playground.ts'
import {
  BILLING,
  CREDITS,
  DEAD_LETTERS,
  JOBS,
  KEYS,
  MAPPINGS,
  PEOPLE,
  SCHEDULES,
  SETTINGS,
  SSO,
  SUBSCRIPTIONS,
  TOOLS,
} from './tables.ts'
import { TRACES } from './traces.ts'
import { USAGE } from './usage.ts'

export const PAGES: readonly Page[] = [
  OVERVIEW,
  PLAYGROUND,
  JOBS,
  TRACES,
  TOOLS,
  SCHEDULES,
  USAGE,
  BILLING,
  CREDITS,
  PEOPLE,
  KEYS,
  SSO,
  SUBSCRIPTIONS,
  MAPPINGS,
  DEAD_LETTERS,
  AUDIT,
  SETTINGS,
  TENANTS,
  QUEUES,
  ALL_DEAD_LETTERS,
  HEALTH,
  MARGINS,
  METERING,
  DEVICE,
]
