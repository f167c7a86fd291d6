# syntax=docker/dockerfile:1
# Octet with its embedded model, for the CPU. Build: docker build -t octet .   Run: docker run -p 127.0.0.1:8080:8080 octet
# Three stages, so that the image holds neither compilers nor sources nor development packages.

FROM node:22-slim AS build
WORKDIR /octet
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY tools/clean.mjs tools/clean.mjs
COPY src src
COPY bench bench
RUN npm run build

FROM node:22-slim AS packages
WORKDIR /octet
COPY package.json package-lock.json .npmrc ./
# The libraries for GPUs are most of the bytes, and useless without a driver and its runtime in the image.
RUN npm ci --omit=dev \
    && rm -rf node_modules/@node-llama-cpp/*-cuda* node_modules/@node-llama-cpp/*-vulkan* \
    && npm cache clean --force

FROM node:22-slim
LABEL org.opencontainers.image.title="Octet" \
      org.opencontainers.image.description="OpenAI-compatible LLM inference server over quantized native kernels" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production \
    OCTET_HOST=0.0.0.0 \
    OCTET_PORT=8080
WORKDIR /octet
COPY --from=packages /octet/node_modules node_modules
COPY package.json LICENSE ./
COPY config config
COPY models models
COPY --from=build /octet/dist dist
# The node image brings the user `node` (1000). Nothing in the image belongs to it; downloaded models go to its home.
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.OCTET_PORT}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/server/main.js"]
CMD ["serve"]
