import { describe, expect, test } from 'vitest'
import { readCredential } from '../../../shared/http/credential.ts'

describe('readCredential()', () => {
  test.each([
    [{}, { kind: 'none' }],
    [{ authorization: '' }, { kind: 'none' }],
    [{ authorization: 'Bearer a.b.c' }, { kind: 'token', token: 'a.b.c' }],
    [{ authorization: 'BEARER  a.b.c' }, { kind: 'token', token: 'a.b.c' }],
    [{ 'x-api-key': 'kg_a' }, { kind: 'api-key', key: 'kg_a' }],
    [{ 'x-api-key': '' }, { kind: 'api-key', key: '' }],
    [
      { 'x-api-key': 'kg_a', authorization: '' },
      { kind: 'api-key', key: 'kg_a' },
    ],
  ])('reads %j', (headers, credential) => {
    expect(readCredential(headers)).toEqual(credential)
  })

  const host = 'kgents.example'
  const https = { host, 'x-forwarded-proto': 'https' }
  const http = { host: 'localhost:8000', 'x-forwarded-proto': 'http' }

  test.each([
    [
      { ...https, cookie: '__Host-kgents_session=kgs_a' },
      { token: 'kgs_a', sameOrigin: true },
    ],
    [{ ...https, cookie: 'a=b; __Host-kgents_session=kgs_a; c=d' }, { token: 'kgs_a' }],
    [{ ...https, cookie: 'kgents_session=kgs_b' }, { kind: 'none' }],
    [{ host, cookie: 'kgents_session=kgs_b' }, { kind: 'none' }],
    [
      { ...http, cookie: 'kgents_session=kgs_a', 'x-csrf-token': 'c' },
      { token: 'kgs_a', csrf: 'c' },
    ],
    [{ ...http, host: '192.168.0.2', cookie: 'kgents_session=kgs_a' }, { token: 'kgs_a' }],
    [{ ...http, cookie: 'kgents_session=' }, { kind: 'none' }],
    [{ ...http, cookie: 'kgents_session=kgs_a', authorization: 'Bearer a.b.c' }, { token: 'a.b.c' }],
    [{ ...http, cookie: 'kgents_session=kgs_a', 'x-api-key': 'kg_a' }, { key: 'kg_a' }],
    [{ ...http, cookie: 'kgents_session=kgs_a', origin: 'http://localhost:8000' }, { sameOrigin: true }],
    [{ ...http, cookie: 'kgents_session=kgs_a', origin: 'https://evil.example' }, { sameOrigin: false }],
    [{ ...http, cookie: 'kgents_session=kgs_a', origin: 'null' }, { sameOrigin: false }],
    [{ ...http, cookie: 'kgents_session=kgs_a', 'sec-fetch-site': 'same-site' }, { sameOrigin: false }],
  ])('reads the cookie of %j', (headers, credential) => {
    expect(readCredential(headers)).toMatchObject(credential)
  })

  test.each(['Basic dTpw', 'Bearer', 'Bearer a b', 'Digest username="a", realm="b"'])(
    'takes "%s" for a token that is none of ours, not for a guest',
    (authorization) => {
      expect(readCredential({ authorization })).toMatchObject({ kind: 'token' })
    },
  )

  test.each([
    { authorization: 'Bearer a.b.c', 'x-api-key': 'kg_a' },
    { authorization: 'Bearer a.b.c', 'x-api-key': '' },
    { authorization: 'Basic dTpw', 'x-api-key': 'kg_a' },
    { authorization: 'Bearer a.b.c, Bearer a.b.c' },
    { authorization: 'bearer a.b.c,bearer d.e.f' },
    { authorization: 'Basic dTpw, Bearer a.b.c' },
    { authorization: 'Bearer a.b.c, Basic dTpw' },
    { 'x-api-key': 'kg_a, kg_b' },
    { 'x-api-key': ['kg_a', 'kg_b'] },
  ])('refuses %j: more than one credential', (headers) => {
    expect(() => readCredential(headers)).toThrow(
      expect.objectContaining({ code: 'CREDENTIALS_AMBIGUOUS', status: 400 }),
    )
  })
})
