# The cache is kept by Node's own SQLite (22.13 and newer): nothing has to be compiled, and no install script runs.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY scripts/copy-reference.mjs scripts/
COPY src src/
RUN npm run build

FROM node:24-bookworm-slim AS modules
WORKDIR /modules
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --omit=peer --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production
ENV PROXYWHIRL_CACHE_DIR=/data/cache
COPY package.json /app/
COPY --from=modules /modules/node_modules /app/node_modules
COPY --from=build /build/dist /app/dist
RUN mkdir /data && chown node:node /data
# Nothing but this folder is written to: the root file system may be read-only.
VOLUME /data
WORKDIR /data
USER node
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:8000/api/v1/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
