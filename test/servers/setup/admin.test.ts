import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, inject, test as base } from 'vitest'
import postgres from 'postgres'
import { hashApiKey } from '../../../shared/identity/api-keys.ts'
import { newId } from '../../../shared/new-id.ts'
import { createDatabase } from '../servers.ts'

const run = promisify(execFile)

interface Ended {
  code: number
  stdout: string
  stderr: string
}

const test = base.extend<{
  /** A new database with the schema, and nobody in it. */
  url: string
  admin(args: string[], databaseUrl?: string): Promise<Ended>
}>({
  url: async ({}, use) => {
    const { owner } = inject('servers').postgres
    const name = `admin_${newId().replaceAll('-', '')}`
    await createDatabase(owner, name)
    await use(Object.assign(new URL(owner), { pathname: `/${name}` }).href)
  },
  admin: async ({ url }, use) =>
    use(async (args, databaseUrl = url) => {
      const env = { ...process.env, DATABASE_URL: databaseUrl }
      return run('node', ['knative/admin/main.ts', ...args], { env }).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        (error: Ended) => error,
      )
    }),
})

const BOOTSTRAP = ['bootstrap', '--email', 'Root@Kgents.example', '--slug', 'platform', '--name', 'Platform']

describe('kgents-admin bootstrap', () => {
  test('makes the first tenant and operator of a platform, whose key is good, and no second one', async ({
    admin,
    url,
    expect,
  }) => {
    const first = await admin(BOOTSTRAP)
    expect(first).toMatchObject({ code: 0, stderr: '' })
    const key = /kg_\w{5}_[\w-]{43}/.exec(first.stdout)?.[0] ?? ''
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    expect(await sql`select tier, roles from authenticate_api_key(${hashApiKey(key)})`).toEqual([
      { tier: 'enterprise', roles: ['super_admin', 'admin', 'developer'] },
    ])
    expect(await sql`select email, name from users`).toEqual([
      { email: 'root@kgents.example', name: 'root@kgents.example' },
    ])
    expect(await sql`select action from audit`).toEqual([{ action: 'tenant.created' }])
    const again = await admin([...BOOTSTRAP.slice(0, 4), 'other'])
    expect(again).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('has an operator') })
    expect(await sql`select slug from tenants`).toEqual([{ slug: 'platform' }])
    await sql.end()
  })

  test('works as a role that can do nothing else', async ({ admin, url, expect }) => {
    const sql = postgres(url, { max: 1, onnotice: () => {} })
    const login = `first_${newId().replaceAll('-', '')}`
    await sql.unsafe(`create role ${login} login password 'secret' in role kgents_admin`)
    const limited = Object.assign(new URL(url), { username: login, password: 'secret' }).href
    expect((await admin(BOOTSTRAP, limited)).code).toBe(0)
    const as = postgres(limited, { max: 1, onnotice: () => {} })
    for (const statement of ['select from tenants', `select add_tenant('{}')`, 'select from api_keys'])
      await expect(as.unsafe(statement)).rejects.toThrow(/permission denied/)
    await as.end()
    await sql.unsafe(`drop role ${login}`)
    await sql.end()
  })

  test('says what is missing or wrong, and never the password', async ({ admin, expect }) => {
    const help = await admin(['--help'])
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('--slug NAME') })
    const wrong = await admin(['bootstrap', '--email', 'root', '--slug', 'Platform'])
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toMatch(/--email is no e-mail address[^]*--slug has lower-case letters/)
    const unreachable = await admin(BOOTSTRAP, 'postgres://root:hunter2@127.0.0.1:1/none')
    expect(unreachable).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be reached') })
    expect(JSON.stringify(unreachable.stderr)).not.toContain('hunter2')
  })
})
