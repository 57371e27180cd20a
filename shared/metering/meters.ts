/** What is metered. Where each comes from is said by the view `usage_lines`; an amount is never negative. */

/** By name: its unit, and what it counts. */
export const METERS = {
  tokens: { unit: 'token', counts: 'tokens of models, in and out' },
  tokens_in: { unit: 'token', counts: 'tokens that models were given, where that is known' },
  tokens_out: { unit: 'token', counts: 'tokens that models answered with, where that is known' },
  api_calls: {
    unit: 'call',
    counts: 'requests to AGENTESE paths; stages of a composition are one, and our own failures none',
  },
  invocations: {
    unit: 'call',
    counts: 'calls of paths: each stage, and what schedules and events call, is one',
  },
  sessions: { unit: 'session', counts: 'conversations that were begun' },
  session_messages: { unit: 'message', counts: 'messages that people sent in conversations' },
  compute_seconds: { unit: 's', counts: 'time that functions took for calls' },
  gpu_seconds: {
    unit: 's',
    counts: 'time that models computed for jobs that went well; batched answers share it',
  },
  storage_bytes_written: { unit: 'byte', counts: 'state that calls recorded' },
  storage_gb_months: { unit: 'GB-month', counts: '10^9 bytes that were held for a calendar month' },
} as const satisfies Record<string, { unit: string; counts: string }>

export type Meter = keyof typeof METERS

export const METER_NAMES = Object.keys(METERS) as [Meter, ...Meter[]]

/** How a meter is stored: what is held is stored as bytes times hours, which are whole, and months differ in length. */
export function storedName(meter: Meter): string {
  return meter === 'storage_gb_months' ? 'storage_byte_hours' : meter
}
