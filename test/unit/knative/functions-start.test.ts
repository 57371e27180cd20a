import { expect, test } from 'vitest'
import { buildWith } from './built-components.ts'
import type { KubernetesObject } from './structural-schema.ts'

interface Service extends KubernetesObject {
  spec: { template: { spec: { containers: { resources: object }[] } } }
}

test('the component functions-start raises the CPU request of every function, and nothing else', async ({
  skip,
}) => {
  const built = (await buildWith('functions-start')) ?? skip('there is no kubectl here')
  const services = (built as Service[]) // reason: all that are read are of Knative
    .filter(({ apiVersion }) => apiVersion === 'serving.knative.dev/v1')
  expect(services.length).toBeGreaterThan(0)
  const resources = services.map(({ spec }) => spec.template.spec.containers[0]?.resources)
  for (const each of resources)
    expect(each).toEqual({
      requests: { cpu: '250m', memory: '128Mi' },
      limits: { cpu: '1', memory: '512Mi' },
    })
})
