/** The attributes of an event that the platform makes, as they travel in its headers (`ce-`) or beside its data. */
import { z } from 'zod'
import type { KgentsEvent } from './event.ts'

export const EventAttributes = z.object({
  specversion: z.literal('1.0'),
  id: z.string().describe('UUIDv7; who has seen it may drop the event'),
  source: z.string().describe('Who speaks, such as /functions/void-entropy'),
  type: z.string(),
  time: z.string().describe('RFC 3339'),
  subject: z.string().exactOptional().describe('What it is about: a path, or the id of a job'),
  datacontenttype: z.literal('application/json'),
  tenantid: z.string().describe('The tenant that it belongs to'),
  function: z.string().exactOptional().describe('The one function that it is for, where there is just one'),
  traceparent: z.string().exactOptional().describe('W3C trace context of the call that it comes from'),
  signature: z
    .string()
    .exactOptional()
    .describe(
      'HMAC-SHA256, base64url, that binds tenant, attributes and data; nothing is believed without it',
    ),
}) satisfies z.ZodType<Partial<KgentsEvent>>
