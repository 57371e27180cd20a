import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readDestination } from '../../../shared/egress/destination.ts'
import { nextHop, toHeaders } from '../../../shared/egress/fenced-hop.ts'
import { isPublicAddress } from '../../../shared/egress/public-address.ts'

/** First and last address of ranges that nobody on the Internet has. */
const INSIDE: [from: string, to: string][] = [
  ['0.0.0.0', '0.255.255.255'],
  ['10.0.0.0', '10.255.255.255'],
  ['100.64.0.0', '100.127.255.255'],
  ['127.0.0.0', '127.255.255.255'],
  ['169.254.0.0', '169.254.255.255'],
  ['172.16.0.0', '172.31.255.255'],
  ['192.0.2.0', '192.0.2.255'],
  ['192.168.0.0', '192.168.255.255'],
  ['198.18.0.0', '198.19.255.255'],
  ['198.51.100.0', '198.51.100.255'],
  ['203.0.113.0', '203.0.113.255'],
  ['224.0.0.0', '255.255.255.255'],
]

const insideNumber = fc
  .constantFrom(...INSIDE)
  .chain(([from, to]) => fc.integer({ min: numberOf(from), max: numberOf(to) }))

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function partsOf(number: number): number[] {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256)
}

/** Ways to write one IPv4 address that some resolver, somewhere, takes. */
const WRITTEN: ((number: number) => string)[] = [
  (number) => partsOf(number).join('.'),
  (number) => `${partsOf(number).join('.')}.`,
  (number) => String(number),
  (number) => `0x${number.toString(16)}`,
  (number) => `0${number.toString(8)}`,
  (number) =>
    partsOf(number)
      .map((part) => `0x${part.toString(16)}`)
      .join('.'),
  (number) =>
    partsOf(number)
      .map((part) => `0${part.toString(8)}`)
      .join('.'),
  (number) => [...partsOf(number).slice(0, 2), number % 65_536].join('.'),
  (number) => [...partsOf(number).slice(0, 1), number % 16_777_216].join('.'),
  (number) =>
    partsOf(number)
      .join('.')
      .replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  (number) => partsOf(number).join('%2e'),
  (number) => partsOf(number).join('。'),
]

/** Ways to carry an IPv4 address inside an IPv6 one. */
const CARRIED: ((number: number) => string)[] = [
  (number) => `::ffff:${partsOf(number).join('.')}`,
  (number) => `::ffff:${groupsOf(number)}`,
  (number) => `0:0:0:0:0:ffff:${groupsOf(number)}`,
  (number) => `::${groupsOf(number)}`,
  (number) => `::ffff:0:${groupsOf(number)}`,
  (number) => `64:ff9b::${groupsOf(number)}`,
  (number) => `64:ff9b:1::${groupsOf(number)}`,
  (number) => `2002:${groupsOf(number)}::1`,
  (number) => `2001:0:${groupsOf(number)}::1`,
]

function groupsOf(number: number): string {
  return [Math.floor(number / 65_536), number % 65_536].map((group) => group.toString(16)).join(':')
}

const denied = expect.objectContaining({ code: 'EGRESS_DENIED' })

describe('isPublicAddress()', () => {
  test('knows every inside IPv4 address, and every IPv6 address that carries one', () => {
    fc.assert(
      fc.property(insideNumber, (number) => {
        expect(isPublicAddress(partsOf(number).join('.'))).toBe(false)
        for (const carry of CARRIED) expect(isPublicAddress(carry(number))).toBe(false)
      }),
    )
  })

  test('takes no IPv6 address from outside of what is given out', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const isGlobal = /^[23][0-9a-f]{3}:/i.test(address)
        if (!isGlobal) expect(isPublicAddress(address)).toBe(false)
      }),
    )
  })

  test.each([
    'fd00:ec2::254',
    '::1',
    '::',
    'fe80::1%eth0',
    'fe80::1',
    'ff02::1',
    '2001:db8::1',
    '3fff::1',
    'fec0::1',
    '100::1',
    '5f00::1',
    '192.0.0.192',
    '168.63.129.16',
    'example.com',
    '',
  ])('does not take %s', (address) => expect(isPublicAddress(address)).toBe(false))

  test.each([
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '172.32.0.0',
    '100.128.0.0',
    '223.255.255.255',
    '2606:4700::1111',
    '2a00:1450::1',
  ])('takes %s', (address) => expect(isPublicAddress(address)).toBe(true))
})

describe('readDestination()', () => {
  test('sees through every way to write an inside address', () => {
    fc.assert(
      fc.property(insideNumber, fc.constantFrom(...WRITTEN), (number, write) => {
        expect(() => readDestination(`https://${write(number)}/x`, {})).toThrow(denied)
      }),
    )
    fc.assert(
      fc.property(insideNumber, fc.constantFrom(...CARRIED), (number, carry) => {
        expect(() => readDestination(`https://[${carry(number)}]/x`, {})).toThrow(denied)
      }),
    )
  })

  test.each([
    'http://example.com/',
    'ftp://example.com/',
    'file:///etc/passwd',
    'gopher://example.com/',
    'https://user:pass@example.com/',
    'https://user@example.com/',
    'https://example.com:22/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://x.localhost/',
    'https://metadata.google.internal/',
    'https://printer.local/',
    'https://stream-hub.kgents.svc/',
    'https://stream-hub.kgents.svc.cluster.local/',
    'https://stream-hub/',
    'https://example/',
    'https://1.in-addr.arpa/',
    'https:///',
    'example.com',
    '',
    `https://example.com/${'x'.repeat(3000)}`,
  ])('denies %s', (url) => expect(() => readDestination(url, {})).toThrow(denied))

  test.each([
    'https://example.com/hook?x=1',
    'https://example.com:8443/',
    'https://1.1.1.1/',
    'https://[2606:4700::1111]/',
  ])('takes %s', (url) => expect(readDestination(url, {})).toMatchObject({ mayBePrivate: false }))

  test('a tenant allows itself another scheme and port, and nothing private', () => {
    const allow = ['http://example.com:8080', 'http://127.0.0.1:9', 'http://localhost:9', 'nonsense']
    expect(readDestination('http://example.com:8080/x', { allow }).mayBePrivate).toBe(false)
    expect(() => readDestination('http://example.com:8081/x', { allow })).toThrow(denied)
    expect(() => readDestination('http://127.0.0.1:9/', { allow })).toThrow(denied)
    expect(() => readDestination('http://localhost:9/', { allow })).toThrow(denied)
  })

  test('an origin is private only where tenant and operator both name it', () => {
    const origins = ['http://127.0.0.1:9']
    const rules = { allow: origins, privateAllowed: origins }
    expect(readDestination('http://127.0.0.1:9/x', rules).mayBePrivate).toBe(true)
    expect(() => readDestination('http://127.0.0.1:9/x', { privateAllowed: origins })).toThrow(denied)
    expect(() => readDestination('http://127.0.0.1:10/x', rules)).toThrow(denied)
    expect(() => readDestination('https://127.0.0.1:9/x', rules)).toThrow(denied)
  })

  test('says nothing of the path, which may be a secret', () => {
    const failure = thrownBy(() => readDestination('http://example.com/services/SECRET', {}))
    expect(JSON.stringify(failure) + String(failure)).not.toContain('SECRET')
  })
})

describe('nextHop()', () => {
  const hop = {
    url: new URL('https://a.example.com/x'),
    method: 'POST',
    headers: toHeaders({
      Authorization: 'Bearer s',
      Cookie: 'c=1',
      'X-Api-Key': 'k',
      'Content-Type': 'application/json',
      Accept: '*/*',
    }),
    body: '{}',
  }
  const to = (location: string, status = 307) => nextHop(hop, { status, headers: { location } })

  test('gives another origin nothing that tells who asks', () => {
    for (const location of ['https://b.example.com/', 'https://a.example.com:8443/', '//b.example.com/']) {
      expect(Object.keys(to(location)?.headers ?? {}).sort()).toEqual([
        'accept',
        'accept-encoding',
        'content-type',
      ])
    }
    expect(to('/y')?.headers).toMatchObject({ authorization: 'Bearer s', 'x-api-key': 'k' })
  })

  test('never leads from https to anything less', () => {
    expect(() => to('http://a.example.com/')).toThrow(denied)
    expect(() => to('ftp://a.example.com/')).toThrow(denied)
    expect(() => to('https://[')).toThrow(denied)
  })

  test('repeats a POST only where the answer asks for that', () => {
    expect(to('/y', 308)).toMatchObject({ method: 'POST', body: '{}' })
    for (const status of [301, 302, 303]) {
      expect(to('/y', status)).toMatchObject({ method: 'GET', body: undefined })
      expect(to('/y', status)?.headers).not.toHaveProperty('content-type')
    }
    expect(to('/y', 304)).toBeUndefined()
  })
})

test('toHeaders() sends no header that would change the request itself, and tells no value', () => {
  for (const [name, value] of [
    ['Host', 'a'],
    ['Content-Length', '1'],
    ['Transfer-Encoding', 'chunked'],
    ['Connection', 'x'],
    ['x', 'secret\r\nHost: b'],
    ['x y', 'secret'],
    ['', 'secret'],
  ] as const) {
    const failure = thrownBy(() => toHeaders({ [name]: value }))
    expect(failure).toMatchObject({ code: 'TYPE_MISMATCH' })
    expect(String(failure)).not.toContain('secret')
  }
})

function thrownBy(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
