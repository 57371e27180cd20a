/**
 * Events from a tenant's own systems, on their way in. What is theirs stays theirs: the type never equals one of the
 * platform's, the source is marked, the id is kept beside our own, and the tenant follows from the credential alone.
 */
import { z } from 'zod'
import { Instant } from '../instant.ts'
import { Failure } from '../failures.ts'
import { beginningOf } from '../beginning.ts'

/** What is taken of an event; time and data as they were sent. */
export interface TenantEvent {
  originid: string
  source: string
  type: string
  time: string
  subject?: string
  data: unknown
}

/** Of one event's data, as JSON; NATS carries a megabyte, and a mapping carries the event once more. */
const MAX_DATA_BYTES = 262_144

/** Every type that this takes is a subject: names with none of NATS's wildcards, spaces or empty parts. */
const TYPE = /^[A-Za-z0-9_:/+@~-]+(\.[A-Za-z0-9_:/+@~-]+)*$/

const JSON_TYPE = /^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i

const Text = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    // oxlint-disable-next-line no-control-regex -- reason: they are what is looked for
    .regex(/^[^\u0000-\u001f\u007f]*$/, 'has control characters')
    .refine((text) => text.isWellFormed(), 'has half a character')

const Attributes = z.looseObject({
  specversion: z.literal('1.0', 'is not 1.0'),
  id: Text(256),
  source: Text(1024),
  type: Text(200).regex(TYPE, 'is not names of letters, digits and _:/+@~- with dots between'),
  time: Instant.optional(),
  subject: Text(1024).optional(),
  datacontenttype: z.string().regex(JSON_TYPE, 'is not JSON').optional(),
  tenantid: z.unknown().optional(),
  data: z.unknown().optional(),
})

/** Types that only the platform itself may use, however they are written. */
export function isReserved(type: string): boolean {
  return /^io\.kgents(\.|$)/i.test(type)
}

/** A source as others see it: no function of the platform, or part of it, has one like this. */
export function tenantSource(source: string): string {
  return `tenant:${source}`
}

/**
 * Reads one event that `tenant` has sent.
 *
 * @throws Failure EVENT_SYNTAX, BODY_TOO_LARGE or TENANT_MISMATCH
 */
export async function readTenantEvent(raw: unknown, tenant: string): Promise<TenantEvent> {
  const parsed = Attributes.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw bad(`${issue?.path.join('.') || 'it'}: ${issue?.message}`)
  }
  const { tenantid, ...attributes } = parsed.data
  const { id, source, type, time, subject, data = null } = attributes
  if (isReserved(type)) throw bad(`type "${type}" belongs to the platform`)
  if (tenantid !== undefined && tenantid !== tenant) {
    throw new Failure('TENANT_MISMATCH', 'Cannot take an event of another tenant', {
      suggestion: 'Leave tenantid out: the tenant is read from your credential',
    })
  }
  if ('data_base64' in attributes) throw bad('its data is binary; only JSON is taken')
  if (Buffer.byteLength(JSON.stringify(data)) > MAX_DATA_BYTES) {
    throw new Failure('BODY_TOO_LARGE', `Cannot take an event with more than ${MAX_DATA_BYTES} bytes of data`)
  }
  await checkForm(attributes)
  return {
    originid: id,
    source,
    type,
    time: time === undefined ? new Date().toISOString() : new Date(time).toISOString(),
    ...(subject === undefined ? {} : { subject }),
    data,
  }
}

/** What the specification says besides: names of attributes, kinds of their values, sources that are URI references. */
async function checkForm(attributes: Record<string, unknown>): Promise<void> {
  // Only processes that get such events pay for loading the library.
  const { CloudEvent } = await import('cloudevents')
  try {
    void new CloudEvent(attributes, true)
  } catch (cause) {
    const why =
      cause instanceof Error ? beginningOf(cause.message.split('\n')[0] ?? '', 200) : 'it is no CloudEvent'
    throw bad(why, cause)
  }
}

function bad(why: string, cause?: unknown): Failure {
  return new Failure('EVENT_SYNTAX', `Cannot read the event: ${why}`, {
    suggestion: 'Send a CloudEvent 1.0 with specversion, id, source, type and JSON data',
    cause,
  })
}
