import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test as base } from 'vitest'
import { parseAllDocuments } from 'yaml'

const MANIFESTS = fileURLToPath(new URL('../../../knative/manifests', import.meta.url))

const test = base.extend<{ folder: string }>({
  folder: async ({}, use) => {
    const folder = await mkdtemp(join(tmpdir(), 'kgents-overlay-'))
    await use(folder)
    await rm(folder, { recursive: true })
  },
})

interface Service {
  apiVersion: string
  spec: { template: { spec: { containers: { resources: object }[] } } }
}

test('the component functions-start raises the CPU request of every function, and nothing else', async ({
  folder,
  expect,
  skip,
}) => {
  const manifests = relative(folder, MANIFESTS)
  const overlay = {
    resources: [`${manifests}/base`],
    components: [`${manifests}/components/functions-start`],
  }
  await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify(overlay))
  const built = await promisify(execFile)('kubectl', ['kustomize', folder], { maxBuffer: 2 ** 26 }).catch(
    (error: unknown) => ((error as { code?: string }).code === 'ENOENT' ? undefined : Promise.reject(error)),
  )
  if (built === undefined) skip('there is no kubectl here')
  const services = parseAllDocuments(built?.stdout ?? '')
    .map((document) => document.toJS() as Service)
    .filter(({ apiVersion }) => apiVersion === 'serving.knative.dev/v1')
  expect(services.length).toBeGreaterThan(0)
  const resources = services.map(({ spec }) => spec.template.spec.containers[0]?.resources)
  for (const each of resources)
    expect(each).toEqual({
      requests: { cpu: '250m', memory: '128Mi' },
      limits: { cpu: '1', memory: '512Mi' },
    })
})
