/** How callers name and see a tool. */
import { z } from 'zod'

export const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')

export const Tool = z.strictObject({
  name: z.string(),
  description: z.string(),
  method: z.string(),
  url: z.string(),
})
export type Tool = z.infer<typeof Tool>

export function viewOf({ name, description, method, url }: Tool): Tool {
  return { name, description, method, url }
}

/** What examples are about. */
export const WEATHER = {
  name: 'weather',
  description: 'The weather of a city',
  url: 'https://api.example.com/weather/{city}?units={units}',
  input_schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' as const }, units: { enum: ['metric', 'imperial'] } },
    required: ['city'],
    additionalProperties: false,
  },
}
export const WITH_WEATHER = [{ path: 'world.tool.define', input: WEATHER }]
