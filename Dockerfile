# order-processor in a container.
#
#   docker build -t order-processor .
#   docker run --rm -p 8080:8080 -v orders:/data order-processor
#
# Tests check the steps without building it; docs/packaging.md says what was tried.
#
# Only instructions that every builder supports (the classic one, BuildKit,
# podman, kaniko): no cache mounts, no here-documents, and no `# syntax` line,
# which would be downloaded before anything else.

# Builder and runtime are both Debian 12, so that the program runs with the C
# library it was linked against. A release names both by digest, with
# --build-arg: docs/packaging.md.
ARG BUILDER=rust:1.95-slim-bookworm
# The runtime holds the C library, libgcc (Rust unwinds through it), certificate
# roots and time zones; it has no shell and no package manager. Nothing below runs
# a command in it, so where this registry is out of reach another glibc base works:
# --build-arg RUNTIME=debian:bookworm-slim
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS builder
WORKDIR /build

# It writes the list of crates into the program, where scanners of images look
# for it: the image has no package manager to ask.
RUN cargo install --locked --version 0.7.7 cargo-auditable

# Layer 1: the dependencies, built with an empty program. It is rebuilt only
# when the manifest or the lock file changes. Tests, benches and examples are
# cut from the manifest: their files are not in the build context, and Cargo
# rejects a manifest that names files which don't exist. Cargo detects changes by
# modification time, and the real sources may be older than the empty ones, so
# the empty program's artifacts are removed at once.
COPY Cargo.toml Cargo.lock /manifest/
RUN awk '/^\[/ { cut = /^\[\[(bench|test|example)\]\]/ } !cut' \
        /manifest/Cargo.toml > Cargo.toml \
    && cp /manifest/Cargo.lock . \
    && mkdir src \
    && echo '//! Nothing yet.' | tee src/lib.rs src/main.rs > build.rs \
    && echo 'fn main() {}' | tee -a src/main.rs >> build.rs \
    && cargo auditable build --release --locked \
    && cargo clean --release --locked -p order-processor \
    && rm -r src

# Layer 2: the program. /data is created here because the runtime has no mkdir.
COPY build.rs ./
COPY proto ./proto
COPY src ./src
RUN cargo auditable build --release --locked --bin order-processor \
    && mkdir /data

FROM ${RUNTIME}
LABEL org.opencontainers.image.title="order-processor" \
      org.opencontainers.image.description="Order intake with durable outcomes, backpressure and a drain that loses no acknowledged order" \
      org.opencontainers.image.licenses="MIT"

COPY LICENSE /usr/share/doc/order-processor/LICENSE
COPY --from=builder /build/target/release/order-processor /usr/local/bin/order-processor
# The journal's directory. A new volume inherits its owner from here, so that the
# unprivileged user can write to it.
COPY --from=builder --chown=65532:65532 /data /data

# Numeric, because Kubernetes can check runAsNonRoot only against a number. 65532
# is the base image's `nonroot`.
USER 65532:65532
WORKDIR /

# The defaults are loopback, which nothing outside a container can reach; -p
# decides what is published. The admin port answers anyone who can reach it:
# publish it only where that is intended.
ENV ORDERS_LISTEN=0.0.0.0:8080 \
    ORDERS_ADMIN_LISTEN=0.0.0.0:9090 \
    ORDERS_GRPC_LISTEN=0.0.0.0:50051 \
    ORDERS_DATA_DIR=/data \
    ORDERS_DRAIN_TIMEOUT=5s
EXPOSE 8080 9090 50051
# The journal. A volume, because in the container's own layer an fdatasync goes
# through the overlay, and the data is removed with the container. Name it
# (-v orders:/data), or each `docker run` starts with an empty one.
VOLUME ["/data"]

# SIGTERM starts the drain, which takes up to ORDERS_DRAIN_TIMEOUT, and up to 4 s
# for the last commit and the replies: less than the 10 s after which `docker
# stop` kills. With a longer one, use docker stop -t.
STOPSIGNAL SIGTERM
# Alive is enough: a process that recovers or drains is healthy. Kubernetes
# ignores this and uses its own probes.
HEALTHCHECK --interval=10s --timeout=5s CMD ["order-processor", "health"]
ENTRYPOINT ["order-processor"]
