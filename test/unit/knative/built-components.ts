/** What kubectl makes of the base with some components, whichever overlays have them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { buildFolder } from './built-overlays.ts'
import type { KubernetesObject } from './structural-schema.ts'

export const MANIFESTS = fileURLToPath(new URL('../../../knative/manifests/', import.meta.url))

/** The objects of the base and `components`; undefined where there is no kubectl. */
export async function buildWith(...components: string[]): Promise<KubernetesObject[] | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'kgents-overlay-'))
  const path = (...names: string[]) => relative(folder, join(MANIFESTS, ...names))
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [path('base')],
    components: components.map((name) => path('components', name)),
  }
  try {
    writeFileSync(join(folder, 'kustomization.yaml'), stringify(kustomization))
    return await buildFolder(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
