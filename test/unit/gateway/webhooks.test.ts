import fc from 'fast-check'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { describe, expect, test, vi } from 'vitest'
import { ownEventSubject, withoutCovered } from '../../../shared/nats/subjects.ts'
import { createHealth } from '../../../gateway/webhooks/reports.ts'
import { DEFAULT_RETRY_SECONDS } from '../../../gateway/webhooks/component.ts'
import { quietMs, retryDelay } from '../../../gateway/webhooks/schedule.ts'
import { readRetryAfter } from '../../../shared/retry-after.ts'
import { isSubscribed } from '../../../gateway/webhooks/is-subscribed.ts'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import { deriveWebhookSecret, signWebhook, type SinkMetadata } from '../../../shared/events/webhook.ts'
import { eventually } from '../../eventually.ts'

const KEY = Buffer.alloc(32, 1).toString('base64url')
const TENANT = '01999999-0000-7000-8000-000000000001'

describe('signWebhook()', () => {
  test('signs as the example of Standard Webhooks', () => {
    const signature = signWebhook('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: '1614265330',
      body: '{"test": 2432232314}',
    })
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  test('signs so that the library of Standard Webhooks believes it, and nothing that was changed on the way', () => {
    const timestamp = String(Math.floor(Date.now() / 1000))
    const message = { id: fc.uuid({ version: 7 }), data: fc.jsonValue(), change: fc.string({ minLength: 1 }) }
    fc.assert(
      fc.property(fc.record({ ...message, rotation: fc.nat() }), ({ id, data, change, rotation }) => {
        const secret = deriveWebhookSecret(KEY, TENANT, rotation)
        const body = JSON.stringify({ data })
        const headers = {
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': signWebhook(secret, { id, timestamp, body }),
        }
        const sink = new Webhook(secret)
        expect(sink.verify(body, headers)).toEqual(JSON.parse(body))
        const later = String(Number(timestamp) + 1)
        const forged = [
          () => sink.verify(body + change, headers),
          () => sink.verify(body, { ...headers, 'webhook-id': id + change }),
          () => sink.verify(body, { ...headers, 'webhook-timestamp': later }),
          () => sink.verify(body, { ...headers, 'webhook-signature': `v1,${change}` }),
          () => new Webhook(deriveWebhookSecret(KEY, TENANT, rotation + 1)).verify(body, headers),
        ]
        for (const verify of forged) expect(verify).toThrow(WebhookVerificationError)
      }),
    )
  })

  test('may sign with the secret before as well, and a sink that knows either believes it', () => {
    const timestamp = String(Math.floor(Date.now() / 1000))
    const secrets = [3, 2].map((rotation) => deriveWebhookSecret(KEY, TENANT, rotation))
    const signatures = secrets.map((secret) => signWebhook(secret, { id: TENANT, timestamp, body: '{}' }))
    const headers = {
      'webhook-id': TENANT,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.join(' '),
    }
    for (const secret of secrets) expect(new Webhook(secret).verify('{}', headers)).toEqual({})
  })

  test('has another secret for each subscription and each rotation', () => {
    const secrets = ['a', 'b'].flatMap((id) =>
      [0, 1, 2].map((rotation) => deriveWebhookSecret(KEY, id, rotation)),
    )
    expect(new Set(secrets).size).toBe(6)
    for (const secret of secrets) expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  })
})

describe('retryDelay()', () => {
  test('waits longer and longer, for eight attempts in a day', () => {
    const delays = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => retryDelay(attempt, DEFAULT_RETRY_SECONDS, 0, 0))
    expect(delays).toEqual([...DEFAULT_RETRY_SECONDS.map((seconds) => seconds * 1000), undefined])
    expect(DEFAULT_RETRY_SECONDS.reduce((sum, seconds) => sum + seconds, 0)).toBeLessThan(86_400)
  })

  test('leaves a sink alone as long as it asks, within reason', () => {
    expect(retryDelay(1, DEFAULT_RETRY_SECONDS, 60, 0)).toBe(60_000)
    expect(retryDelay(1, DEFAULT_RETRY_SECONDS, 1e9, 0)).toBe(43_200_000)
    expect(retryDelay(3, DEFAULT_RETRY_SECONDS, 1, 0)).toBe(300_000)
    expect(retryDelay(1, [1, 2], 60, 0)).toBe(60_000)
    expect([quietMs(), quietMs(60), quietMs(1e9)]).toEqual([0, 60_000, 43_200_000])
  })
})

describe('readRetryAfter()', () => {
  const now = Date.UTC(1994, 10, 6, 8, 48, 37)

  test.each([
    ['120', 120],
    [' 7 ', 7],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 60],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 60],
    ['Sun Nov  6 08:49:37 1994', 60],
    ['Sun, 06 Nov 1994 08:47:37 GMT', 0],
    ['99999999999', 99_999_999_999],
  ])('reads %j', (value, seconds) => expect(readRetryAfter(value, now)).toBe(seconds))

  test.each(['', '-1', '1.5', 'soon', '06 Nov', undefined])('reads nothing in %j', (value) =>
    expect(readRetryAfter(value, now)).toBeUndefined(),
  )
})

describe('withoutCovered()', () => {
  const token = fc.constantFrom('a', 'b', '*')
  const subject = fc
    .tuple(fc.array(token, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([tokens, open]) => [...tokens, ...(open ? ['>'] : [])].join('.'))

  test('keeps what every one of them would take, and none that another covers', () => {
    fc.assert(
      fc.property(
        fc.array(subject, { maxLength: 6 }),
        fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }),
        (subjects, tokens) => {
          const kept = withoutCovered(subjects)
          const isTaken = (list: string[]) => list.some((each) => takes(each, tokens))
          expect(isTaken(kept)).toBe(isTaken(subjects))
          for (const each of kept)
            expect(withoutCovered([each, ...kept])).toEqual(expect.arrayContaining(kept))
        },
      ),
    )
  })

  function takes(subject: string, tokens: readonly string[]): boolean {
    const source = subject
      .split('.')
      .map((each) => (each === '*' ? '[^.]+' : each === '>' ? '.+' : each))
      .join('\\.')
    return new RegExp(`^${source}$`).test(tokens.join('.'))
  }
})

test('ownEventSubject() is the type, or all that begins with it', () => {
  expect(ownEventSubject('t', 'com.a')).toBe('events.t.com.a')
  expect(ownEventSubject('t', 'com.a.*')).toBe('events.t.com.a.>')
})

describe('isSubscribed()', () => {
  const sink: SinkMetadata = {
    tenant: TENANT,
    subscription: TENANT,
    sink: 'https://a.example.com/',
    rotation: 0,
    rotations: [],
    kinds: '',
    user: TENANT,
    archetype: 'developer',
    revision: '',
  }
  const event = (more: Partial<KgentsEvent> = {}): KgentsEvent => ({
    specversion: '1.0',
    id: TENANT,
    source: '/functions/void-entropy',
    type: 'io.kgents.agentese.invoked',
    time: '2026-01-01T00:00:00.000Z',
    datacontenttype: 'application/json',
    tenantid: TENANT,
    subject: 'void.entropy.sip',
    data: { user: TENANT },
    ...more,
  })

  test('another tenant’s event is never told, whatever consumer it came by', () => {
    expect(isSubscribed(sink, event())).toBe(true)
    expect(isSubscribed(sink, event({ tenantid: '01999999-0000-7000-8000-000000000002' }))).toBe(false)
  })

  test('a path is told of to those who have its verb', () => {
    const dialogue = event({ subject: 'self.soul.dialogue' })
    expect(isSubscribed(sink, dialogue)).toBe(true)
    expect(isSubscribed({ ...sink, archetype: 'poet' }, dialogue)).toBe(false)
    expect(isSubscribed({ ...sink, archetype: 'poet' }, event({ subject: 'self.soul.state' }))).toBe(true)
    expect(isSubscribed(sink, event({ subject: 'self.nothing.here' }))).toBe(false)
  })

  test.each(['changed', 'invoked', 'failed', 'refused'])(
    'what a person has %s on self is told to that person alone',
    (kind) => {
      const done = (user: string) =>
        event({ type: `io.kgents.agentese.${kind}`, subject: 'self.soul.manifest', data: { user } })
      expect(isSubscribed(sink, done(TENANT))).toBe(true)
      expect(isSubscribed(sink, done('01999999-0000-7000-8000-000000000002'))).toBe(false)
    },
  )

  test('of the platform’s own events none is told but those on paths', () => {
    for (const type of [
      'io.kgents.inference.completed',
      'io.kgents.job.completed',
      'io.kgents.mapping.matched',
    ]) {
      expect(isSubscribed(sink, event({ type }))).toBe(false)
    }
    expect(isSubscribed(sink, event({ type: 'com.example.order', source: '/shop' }))).toBe(true)
  })

  test('kinds narrow what is told', () => {
    const narrowed = { ...sink, kinds: 'changed,failed' }
    expect(isSubscribed(narrowed, event())).toBe(false)
    expect(isSubscribed(narrowed, event({ type: 'io.kgents.agentese.failed' }))).toBe(true)
  })
})

describe('createHealth()', () => {
  const error = (code: string) => ({ code, message: code })
  const some = { id: TENANT, type: 'io.kgents.agentese.invoked' } as KgentsEvent

  test('tells each change once, and the last of many that come at once', async () => {
    vi.useFakeTimers()
    const told: string[] = []
    const health = createHealth(async (what, { error }) => void told.push(error?.code ?? what), 1000)
    health.succeeded()
    health.succeeded()
    expect(told).toEqual(['recovered'])
    health.failed(error('HTTP_500'), some, 1)
    health.failed(error('HTTP_503'), some, 1)
    expect(told).toEqual(['recovered'])
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['recovered', 'HTTP_503'])
    health.failed(error('HTTP_503'), some, 2)
    await vi.advanceTimersByTimeAsync(5000)
    expect(told).toEqual(['recovered', 'HTTP_503'])
    vi.useRealTimers()
  })

  test('tells again what could not be told', async () => {
    let isAway = true
    const told: string[] = []
    const health = createHealth(async (what) => {
      if (isAway) throw new Error('away')
      told.push(what)
    }, 0)
    health.succeeded()
    await Promise.resolve()
    isAway = false
    await eventually(() => {
      health.succeeded()
      expect(told).toEqual(['recovered'])
    })
  })
})
