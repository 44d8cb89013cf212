# One image with both programs and nothing else, each a static file:
#
#   docker build -t loadgen .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" loadgen run quickstart --store memory
#   docker run --rm -p 3000:3000 --entrypoint server loadgen --host 0.0.0.0
#
# They are linked with glibc and not with musl, whose allocator would be measured along with them.
FROM rust:1.95-trixie AS build
WORKDIR /source
COPY . .
# With its target named, flags are for the programs alone and not for what runs while they are built.
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
    && RUSTFLAGS='-C target-feature=+crt-static' \
        cargo build --release --locked --target "$host" --target-dir /target -p loadgen -p server \
            --features loadgen/object-store \
    && install -D -t /image/usr/bin "/target/$host/release/loadgen" "/target/$host/release/server" \
    && for program in /image/usr/bin/*; do ! ldd "$program" 2>&1 | grep '=>' || exit; done \
    && install -D -m 644 -t /image/etc/ssl/certs /etc/ssl/certs/ca-certificates.crt \
    && install -d -m 1777 /image/tmp /image/work

FROM scratch
COPY --from=build /image/ /
ENV PATH=/usr/bin
# Results are written to reports/latest in it, unless --out says where.
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["/usr/bin/loadgen"]
