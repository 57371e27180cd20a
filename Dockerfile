# One image for all functions, and one for each part that always runs.
#
#   docker build --target functions -t kgents/functions .      FUNCTION picks what a pod serves
#   docker build --target parts     -t kgents/parts .          gateway/{stream-hub,webhooks,redis-rest}, knative/relay
#   docker build --target worker    -t kgents/worker .         gpu-workers on CPU, or any OpenAI-compatible server
#   docker build --target worker-cuda -t kgents/worker:cuda .  gpu-workers on NVIDIA GPUs
#
# ARG NODE_IMAGE may name a mirror; the tag is the Node that package.json pins.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm install --no-save --ignore-scripts --no-audit --no-fund
COPY . .
RUN node knative/bundle.ts /app/dist

FROM ${NODE_IMAGE} AS functions
WORKDIR /app
# In small pages, reading the snapshot takes 4,500 page faults.
ENV NODE_ENV=production GLIBC_TUNABLES=glibc.malloc.hugetlb=1
COPY --from=build /app/package.json ./
COPY --from=build /app/dist dist
USER 10001:10001
# Node starts from the snapshot of no other Node. It ends at once without configuration: that it starts at all is what is checked.
RUN node --snapshot-blob dist/serve.blob; test $? -eq 1
CMD ["node", "--snapshot-blob", "dist/serve.blob"]

FROM ${NODE_IMAGE} AS parts
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json ./
RUN npm install --no-save --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
COPY shared shared
COPY functions functions
COPY gateway gateway
COPY knative knative
# What the list of parts says of it.
COPY gpu-workers/component.ts gpu-workers/
USER 10001:10001
# CMD is the part: node knative/relay/main.ts, node gateway/{stream-hub,webhooks,redis-rest}/main.ts
CMD ["node", "knative/relay/main.ts"]

FROM ${NODE_IMAGE} AS worker
WORKDIR /app
ENV NODE_ENV=production
COPY package.json package-lock.json ./
RUN npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund
COPY shared shared
COPY gpu-workers gpu-workers
USER 10001:10001
CMD ["node", "gpu-workers/main.ts"]

# The CUDA build of the engine weighs 700 MB, so package.json keeps it out; this image alone puts it in.
FROM worker AS worker-cuda
USER root
RUN version=$(node -p "require('node-llama-cpp/package.json').version") && cd /tmp \
  && for name in linux-x64-cuda linux-x64-cuda-ext; do \
       npm pack --silent "@node-llama-cpp/$name@$version" \
       && rm -rf "/app/node_modules/@node-llama-cpp/$name" && mkdir -p "/app/node_modules/@node-llama-cpp/$name" \
       && tar -xzf "node-llama-cpp-$name-$version.tgz" --strip-components=1 -C "/app/node_modules/@node-llama-cpp/$name"; \
     done && rm -f /tmp/*.tgz
USER 10001:10001
