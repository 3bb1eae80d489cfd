# Two stages: the toolchain stays behind, and what runs is one binary under a user without rights.
FROM swift:6.3-bookworm AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    libpq-dev libcurl4-openssl-dev libssl-dev zlib1g-dev pkg-config \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# The dependencies first: they change seldom, and the layer is kept.
COPY Package.swift ./
RUN swift package resolve
COPY Migrations Migrations
COPY Library Library
COPY Sources Sources
# Not built, but the package description names it.
COPY Tests Tests
RUN swift build -c release --product herald --static-swift-stdlib \
  && install -D -s .build/release/herald /out/herald

FROM debian:bookworm-slim
# The client programs of PostgreSQL are for `herald backup` and `herald restore`.
RUN apt-get update \
  && apt-get install -y --no-install-recommends \
    ca-certificates libcurl4 libpq5 libssl3 postgresql-client-15 tzdata zlib1g \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --system --uid 10001 --home-dir /var/lib/herald --shell /usr/sbin/nologin herald \
  && install -d -o herald -g herald -m 0700 /var/lib/herald
COPY --from=build /out/herald /usr/local/bin/herald
COPY LICENSE /usr/share/doc/herald/LICENSE
ENV HERALD_DATA_DIR=/var/lib/herald HERALD_LISTEN=0.0.0.0:8080 LANG=C.UTF-8
USER herald
VOLUME /var/lib/herald
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/herald"]
CMD ["serve"]
