/**
 * `self.consent`: a person lets others do what would otherwise be refused, one path at a time. Consent is a person's own:
 * nobody gives, reads or revokes another's.
 */
import { z } from 'zod'
import { formatPath, parsePath } from '../../../shared/agentese/path.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { NextCursor, orderBy } from '../../../shared/contract/pages.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../shared/failures.ts'

/** The longest time that a consent may be limited to, in seconds: a year. */
const LONGEST = 366 * 24 * 3600

/** Paths that one person may consent to at a time. */
const MOST = 200

const Path = z.string().max(1000)
const BY_PATH = orderBy({ path: 'text' }, 'asc')
const Consent = z.strictObject({
  path: z.string(),
  granted_at: z.string(),
  expires_at: z.string().nullable(),
})

interface ConsentRow {
  path: string
  granted_at: Date
  expires_at: Date | null
}

export const selfConsent = defineNode('self.consent', {
  summary: 'What you let others do to what is yours',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How many consents of yours are in force',
      effects: ['reads:consent'],
      input: NoInput,
      output: z.strictObject({ type: z.literal('consent'), in_force: z.int() }),
      examples: [{ summary: 'Have I consented to anything?', input: {} }],
      async handle(_input, { db, identity }) {
        const [row] = await db<{ n: number }[]>`
          select count(*)::int as n from consents
          where user_id = ${identity.user} and (expires_at is null or expires_at > now())`
        return { type: 'consent' as const, in_force: row?.n ?? 0 }
      },
    }),

    grant: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Let others call a path on what is yours, for some time or until you revoke it',
      effects: ['writes:consent'],
      input: z.strictObject({
        path: Path,
        /** Seconds. */
        expires_in: z.int().min(1).max(LONGEST).optional(),
      }),
      output: Consent,
      examples: [
        {
          summary: 'For an hour',
          input: { path: 'world.house.demolish', expires_in: 3600 },
        },
      ],
      async handle({ path: text, expires_in = null }, call) {
        const path = formatPath(parsePath(text))
        const { db, identity } = call
        await oneAtATime(`consents of ${identity.user}`, call)
        const rows = await db<ConsentRow[]>`
          insert into consents (tenant_id, user_id, path, expires_at)
          values (${identity.tenant}, ${identity.user}, ${path}, now() + make_interval(secs => ${expires_in}::float8))
          on conflict (tenant_id, user_id, path)
            do update set granted_at = now(), expires_at = excluded.expires_at
          returning path, granted_at, expires_at`
        const [consent] = rows.map(present)
        if (consent === undefined) throw new TypeError('An upsert answers its row')
        await recordConsents(call)
        return consent
      },
    }),

    revoke: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Take a consent back',
      effects: ['deletes:consent'],
      input: z.strictObject({ path: Path }),
      output: z.strictObject({ path: z.string(), status: z.literal('revoked') }),
      examples: [
        {
          summary: 'Not any more',
          input: { path: 'world.house.demolish' },
          given: [{ path: 'self.consent.grant', input: { path: 'world.house.demolish' } }],
        },
      ],
      async handle({ path: text }, call) {
        const path = formatPath(parsePath(text))
        const { db, identity } = call
        await oneAtATime(`consents of ${identity.user}`, call)
        const revoked = await db`
          delete from consents where user_id = ${identity.user} and path = ${path} returning path`
        if (revoked.length === 0) throw notGranted(path)
        await recordConsents(call)
        return { path, status: 'revoked' as const }
      },
    }),

    list: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Your consents in force, by path',
      effects: ['reads:consent'],
      input: z.strictObject({
        limit: z.int().min(1).max(100).default(10),
        cursor: BY_PATH.Cursor.optional(),
      }),
      output: z.strictObject({ consents: z.array(Consent), next_cursor: NextCursor }),
      examples: [{ summary: 'All of them, if they are few', input: { limit: 100 } }],
      async handle(bounds, call) {
        const { page, next_cursor } = await BY_PATH.readPage(call.db, inForce(call), bounds)
        return {
          consents: page.map(present),
          next_cursor,
        }
      },
    }),
  },
})

/** The caller's consents in force, by path. */
function inForce({ db, identity }: Pick<Call, 'db' | 'identity'>) {
  return db<ConsentRow[]>`
    select path collate "C" as path, granted_at, expires_at from consents
    where user_id = ${identity.user} and (expires_at is null or expires_at > now())`
}

/**
 * Forgets what has expired, and records what the caller consents to from now on.
 *
 * @throws Failure QUOTA_EXCEEDED where that is too much
 */
async function recordConsents(call: Pick<Call, 'db' | 'identity' | 'changed'>): Promise<void> {
  const { db, identity, changed } = call
  await db`delete from consents where user_id = ${identity.user} and expires_at <= now()`
  const rows = await inForce(call)
  if (rows.length > MOST) {
    throw new Failure('QUOTA_EXCEEDED', `Cannot consent to more than ${MOST} paths`, {
      suggestion: 'Revoke what you no longer need with self.consent.revoke',
      details: { resource: 'consent' },
    })
  }
  const consents = rows.map(present).map(({ path, expires_at }) => ({ path, expires_at }))
  changed('self.consent', { consents })
}

function notGranted(path: string): Failure {
  return new Failure('NOT_FOUND', `Cannot revoke "${path}": you have not consented to it`, {
    suggestion: 'self.consent.list shows what you have consented to',
  })
}

function present({ path, granted_at, expires_at }: ConsentRow): z.infer<typeof Consent> {
  return { path, granted_at: granted_at.toISOString(), expires_at: expires_at?.toISOString() ?? null }
}
