import { randomUUID } from 'node:crypto'
import { describe, vi } from 'vitest'
import { createTextResolver } from '../../../shared/egress/resolve-text.ts'
import { Failure } from '../../../shared/failures.ts'
import { transactApart } from '../../../shared/calls/create-call.ts'
import { partsOf } from '../../../shared/pipeline/take-event.ts'
import { addPlan } from '../../../shared/identity/with-plan.ts'
import { newId } from '../../../shared/new-id.ts'
import type { Tier } from '../../../shared/plans/tiers.ts'
import { joinByDomain, tenantOfDomain, type Verified } from '../../../shared/tenancy/domains.ts'
import { openDnsServer, type DnsServer } from './dns-server.ts'
import { test as base } from './world.ts'
import type { Answer } from '../functions/in-process.ts'
import type { Person } from '../functions/holders.ts'
import type { Tenant } from '../functions/world.ts'
import { callerOf } from '../../../shared/calls/call-parts.ts'

const DOMAINS = '/v1/domains'
const newDomain = () => `d${randomUUID().slice(0, 8)}.co.uk`

/** Names are resolved for real, by a server that knows what a test has told it; web servers are played. */
const test = base.extend<{
  dns: DnsServer
  /** Bodies by address; whatever is not there refuses the connection. */
  files: Map<string, string>
  claims(who: Person, name?: string, roles?: string[] | null): Promise<Answer['body']['domain']>
  verifies(who: Person, domain: { id: string }): Promise<Answer>
  joins(tenant: Tenant, person: object): Promise<{ user: string; joined: boolean } | undefined>
}>({
  dns: async ({ runtime }, use) => {
    const dns = await openDnsServer()
    const before = runtime.platform.resolveText
    runtime.platform.resolveText = createTextResolver([dns.address])
    await use(dns)
    runtime.platform.resolveText = before
    dns.close()
  },
  files: async ({ runtime }, use) => {
    const files = new Map<string, string>()
    const spy = vi
      .spyOn(runtime.platform, 'requestOutside')
      .mockImplementation(async ({ url, maxRedirects }) => {
        const body = files.get(url)
        if (body === undefined || maxRedirects !== 0)
          throw new Failure('UPSTREAM_FAILED', `Cannot call "${url}"`)
        return { status: 200, headers: {}, body: Buffer.from(body), url }
      })
    await use(files)
    spy.mockRestore()
  },
  claims: async ({}, use) =>
    use(async (who, name = newDomain(), roles = ['developer']) => {
      const { status, body } = await who.calls('POST', DOMAINS, { name, join_roles: roles })
      if (status !== 201) throw new Error(JSON.stringify(body))
      return body.domain
    }),
  verifies: async ({}, use) => use((who, { id }) => who.calls('POST', `${DOMAINS}/${id}/verify`, {})),
  joins: async ({ runtime, owner }, use) =>
    use(async ({ id }, person) => {
      const definition = runtime.functions.find(({ name }) => name === 'domains')
      if (definition === undefined) throw new Error('No such function')
      const { signal } = new AbortController()
      const parts = partsOf(
        { id: newId(), tenantid: id },
        definition,
        ['postgres', 'events'],
        runtime,
        signal,
      )
      // As whoever signs in to the tenant, before anybody is known.
      const [row] = await owner<{ tier: Tier; planVersion: number }[]>`
        select tier, plan_version as "planVersion" from tenants where id = ${id}`
      const identity = await addPlan({ ...callerOf(parts), ...row }, runtime.findPlan)
      return transactApart({ ...parts, identity }, 'write', (call) => joinByDomain(person as Verified, call))
    }),
})

describe('POST /v1/domains/{id}/verify', () => {
  test('finds the proof in the DNS, among other records', async ({
    admin,
    dns,
    files,
    claims,
    verifies,
    expect,
  }) => {
    const domain = await claims(admin)
    expect((await verifies(admin, domain)).body).toMatchObject({
      code: 'PRECONDITION_FAILED',
      details: { dns_record: `_kgents-challenge.${domain.name}`, challenge: domain.challenge },
    })
    dns.records.set(domain.dns_record, ['v=spf1 -all', domain.challenge, 'x'.repeat(300)])
    const { status, body } = await verifies(admin, domain)
    expect({ status, domain: body.domain }).toMatchObject({
      status: 200,
      domain: { status: 'verified', method: 'dns' },
    })
    expect(files.size).toBe(0)
    const { body: audit } = await admin.calls('GET', '/v1/audit?action=domain.verified')
    expect(audit.audit).toMatchObject([{ target: domain.id, details: { name: domain.name, method: 'dns' } }])
  })

  test('finds it in a file, where the DNS has none', async ({
    admin,
    dns,
    files,
    claims,
    verifies,
    expect,
  }) => {
    const domain = await claims(admin)
    dns.records.set(domain.dns_record, ['kgents-challenge=another'])
    files.set(domain.file_url, `# Proof\n${domain.challenge}\n`)
    expect((await verifies(admin, domain)).body.domain).toMatchObject({ status: 'verified', method: 'file' })
  })

  test.for([
    ['the challenge of another tenant', (other: string) => [other]],
    ['a part of it', (_: string, own: string) => [own.slice(0, -1)]],
    ['more than it', (_: string, own: string) => [`${own}x`]],
    ['nothing', () => []],
  ] as const)(
    'is not satisfied by %s',
    async ([, records], { admin, newTenant, dns, files, claims, verifies, expect }) => {
      const other = await newTenant('pro', ['admin'])
      const [own, theirs] = [await claims(admin), await claims(other)]
      dns.records.set(own.dns_record, [...records(theirs.challenge, own.challenge)])
      files.set(own.file_url, records(theirs.challenge, own.challenge).join('\n'))
      expect((await verifies(admin, own)).status).toBe(412)
      expect((await admin.calls('GET', `${DOMAINS}/${own.id}`)).body.domain.status).toBe('pending')
    },
  )

  test('gives a domain to one tenant at a time, and to the next when that one has given it up', async ({
    admin,
    newTenant,
    dns,
    files,
    claims,
    verifies,
    expect,
  }) => {
    expect(files.size).toBe(0)
    const other = await newTenant('pro', ['admin'])
    const name = newDomain()
    const [own, theirs] = [await claims(admin, name), await claims(other, name)]
    dns.records.set(own.dns_record, [own.challenge, theirs.challenge])
    const answers = await Promise.all([verifies(admin, own), verifies(other, theirs)])
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
    const [holder, next] = answers[0]?.status === 200 ? [admin, other] : [other, admin]
    const [held, wanted] = answers[0]?.status === 200 ? [own, theirs] : [theirs, own]
    expect((await next.calls('DELETE', `${DOMAINS}/${held.id}`)).status).toBe(404)
    expect((await holder.calls('DELETE', `${DOMAINS}/${held.id}`)).status).toBe(200)
    expect((await verifies(next, wanted)).status).toBe(200)
  })

  test('says so where nobody answers, and takes nothing away', async ({
    admin,
    dns,
    files,
    runtime,
    claims,
    verifies,
    expect,
  }) => {
    const domain = await claims(admin)
    dns.records.set(domain.dns_record, [domain.challenge])
    expect((await verifies(admin, domain)).status).toBe(200)
    // Refused, which is an answer of none, without the seconds that silence takes.
    runtime.platform.resolveText = createTextResolver(['127.0.0.1:1'])
    expect(files.size).toBe(0)
    expect((await verifies(admin, domain)).body.code).toBe('UPSTREAM_FAILED')
    expect((await admin.calls('GET', `${DOMAINS}/${domain.id}`)).body.domain.status).toBe('verified')
  })
})

describe('POST /v1/domains', () => {
  test.for([
    ['a provider of mailboxes', 'gmail.com'],
    ['a name below one', 'mail.gmail.com'],
    ['a public suffix', 'co.uk'],
    ['a host of everybody', 'github.io'],
    ['a top-level domain', 'com'],
    ['a private name', 'corp.internal'],
    ['an address', '192.0.2.1'],
    ['a URL', 'https://acme.com'],
    ['an empty label', 'acme..com'],
    ['a wildcard', '*.acme.com'],
  ])('refuses %s', async ([, name], { admin, expect }) => {
    const { status, body } = await admin.calls('POST', DOMAINS, { name })
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
  })

  test('takes a name as it is compared, once, and from admins', async ({
    admin,
    colleague,
    claims,
    expect,
  }) => {
    const domain = await claims(admin, ' Bücher-Acme.DE. ')
    expect(domain.name).toBe('xn--bcher-acme-9db.de')
    const again = await admin.calls('POST', DOMAINS, { name: 'bücher-acme.de' })
    expect(again.body.code).toBe('STATE_CONFLICT')
    const developer = await colleague()
    expect((await developer.calls('POST', DOMAINS, { name: newDomain() })).body.code).toBe('SCOPE_MISSING')
    expect((await admin.calls('POST', DOMAINS, { name: newDomain(), join_roles: ['admin'] })).status).toBe(
      400,
    )
  })
})

describe('domains of others', () => {
  test('are not there', async ({ admin, newTenant, claims, expect }) => {
    const other = await newTenant('pro', ['admin'])
    const { id } = await claims(admin)
    const tries: [string, string, object?][] = [
      ['GET', `${DOMAINS}/${id}`],
      ['PATCH', `${DOMAINS}/${id}`, { join_roles: null }],
      ['POST', `${DOMAINS}/${id}/verify`, {}],
      ['DELETE', `${DOMAINS}/${id}`],
    ]
    for (const request of tries) expect((await other.calls(...request)).status, request[1]).toBe(404)
    expect((await other.calls('GET', DOMAINS)).body.domains).toEqual([])
  })
})

describe('a proven domain', () => {
  test('is checked again, and lost after three checks without its proof', async ({
    admin,
    dns,
    files,
    ticks,
    owner,
    claims,
    verifies,
    expect,
  }) => {
    expect(files.size).toBe(0)
    const domain = await claims(admin)
    dns.records.set(domain.dns_record, [domain.challenge])
    await verifies(admin, domain)
    const passes = async (days: number) => {
      await owner`update domains set checked_at = now() - make_interval(days => ${days}) where id = ${domain.id}`
      await ticks()
      return (await admin.calls('GET', `${DOMAINS}/${domain.id}`)).body.domain.status
    }
    expect(await passes(8)).toBe('verified')
    dns.records.delete(domain.dns_record)
    // It is not due yet.
    expect(await passes(6)).toBe('verified')
    expect(await passes(8)).toBe('failing')
    dns.records.set(domain.dns_record, [domain.challenge])
    expect(await passes(2)).toBe('verified')
    dns.records.delete(domain.dns_record)
    expect([await passes(8), await passes(2), await passes(2)]).toEqual(['failing', 'failing', 'lapsed'])
    expect(await tenantOfDomain(owner, `x@${domain.name}`)).toBeUndefined()
    const { body } = await admin.calls('GET', '/v1/audit?action=domain.lapsed')
    expect(body.audit).toMatchObject([{ target: domain.id, actor: { user: null } }])
  })
})

describe('joinByDomain()', () => {
  test('makes somebody with a verified address a person of the tenant that has its domain, once', async ({
    admin,
    newTenant,
    dns,
    app,
    claims,
    verifies,
    joins,
    expect,
  }) => {
    const other = await newTenant('enterprise', ['admin'])
    const domain = await claims(admin, newDomain(), ['viewer'])
    const grace = { email: `Grace@${domain.name.toUpperCase()}`, email_verified: true, name: 'Grace' }
    // Claiming a domain gives nothing.
    expect(await joins(admin, grace)).toBeUndefined()
    dns.records.set(domain.dns_record, [domain.challenge])
    await verifies(admin, domain)
    expect(await tenantOfDomain(app, grace.email)).toEqual({
      tenant: admin.id,
      domain: domain.name,
      roles: ['viewer'],
    })
    // Neither to another tenant, nor by a domain that only ends like it.
    expect(await joins(other, grace)).toBeUndefined()
    expect(await joins(admin, { ...grace, email: `grace@x${domain.name}` })).toBeUndefined()
    expect(await joins(admin, { ...grace, email: `grace@${domain.name}.evil.com` })).toBeUndefined()
    expect(await joins(admin, { ...grace, email: `grace@sub.${domain.name}` })).toBeUndefined()
    const joined = await Promise.all([joins(admin, grace), joins(admin, grace)])
    expect(joined.filter((each) => each?.joined)).toHaveLength(1)
    const { body } = await admin.calls('GET', '/v1/members')
    expect(body.members).toHaveLength(2)
    expect(body.members.find(({ id }: { id: string }) => id === joined[0]?.user)).toMatchObject({
      email: `grace@${domain.name}`,
      roles: ['viewer'],
    })
    await admin.calls('PATCH', `${DOMAINS}/${domain.id}`, { join_roles: null })
    expect(await joins(admin, { ...grace, email: `alan@${domain.name}` })).toBeUndefined()
  })

  test('takes a seat, and refuses where there is none', async ({
    signsUp,
    dns,
    claims,
    verifies,
    joins,
    expect,
  }) => {
    const ada = await signsUp()
    const domain = await claims(ada)
    dns.records.set(domain.dns_record, [domain.challenge])
    await verifies(ada, domain)
    const tenant = { ...ada, user: ada.user }
    await expect(
      joins(tenant, { email: `alan@${domain.name}`, email_verified: true, name: 'Alan' }),
    ).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' })
  })

  test('gives nothing by a domain of a tenant that is deleted', async ({
    signsUp,
    dns,
    app,
    claims,
    verifies,
    expect,
  }) => {
    const ada = await signsUp()
    const domain = await claims(ada)
    dns.records.set(domain.dns_record, [domain.challenge])
    await verifies(ada, domain)
    await ada.calls('DELETE', `/v1/tenant?slug=${ada.slug}`)
    expect(await tenantOfDomain(app, `x@${domain.name}`)).toBeUndefined()
  })
})
