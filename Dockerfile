# syntax=docker/dockerfile:1
# The images that charts/isthmus names, a target each; docs/operations.md, "Images", tells how to build them.
ARG NODE=24
ARG ISTIO=1.31.1

FROM node:${NODE}-slim AS build
WORKDIR /isthmus
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:${NODE}-slim AS program
ENV NODE_ENV=production
# The embedded PostgreSQL wants a name for the user that it runs as.
RUN groupadd --gid 65532 isthmus && useradd --uid 65532 --gid 65532 --no-create-home isthmus
WORKDIR /isthmus
COPY --from=build /isthmus/package.json ./
COPY --from=build /isthmus/node_modules node_modules
COPY --from=build /isthmus/libs/proto/gen libs/proto/gen
COPY --from=build /isthmus/dist dist
USER 65532:65532

FROM program AS controller
ENTRYPOINT ["node", "--enable-source-maps", "dist/apps/controller/src/main.js"]

FROM program AS metadata-api
ENTRYPOINT ["node", "--enable-source-maps", "dist/apps/metadata-api/src/main.js"]

FROM program AS way-out
ENTRYPOINT ["node", "--enable-source-maps", "dist/apps/metadata-api/src/way-out-main.js"]

FROM program AS mesh
ENTRYPOINT ["node", "--enable-source-maps", "dist/apps/mesh/src/main.js"]

FROM istio/proxyv2:${ISTIO} AS proxyv2
