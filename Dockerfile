# The image of the service: `docker build --tag nats-k8s-oidc-callout .`, for amd64 and for arm64.
#
# Rules kept here:
# - What is installed is what requirements.txt locks, by its hashes and as wheels: nothing is resolved or compiled.
# - What builds stays behind: the image that runs has no build backend, no tests and no source tree.
# - Nothing is written at run time but SNAPSHOT_DIR, or /dev/shm without it: the root may be read-only.
# - A command names no place outside of its WORKDIR but by a variable, so that tests/image can follow it anywhere.
#
# There is no HEALTHCHECK: Kubernetes has probes, on /livez and /readyz.

# The line of Python that the tests run on. By digest: --build-arg BASE=python:3.11.16-slim-bookworm@sha256:…
ARG BASE=python:3.11.16-slim-bookworm

FROM ${BASE} AS build
ENV APP=/opt/callout
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.txt requirements-build.txt ./
RUN python -m pip install --quiet --no-deps --require-hashes --only-binary :all: -r requirements-build.txt \
 && python -m venv --without-pip "$APP" \
 && python -m pip --python "$APP/bin/python" install --quiet \
    --no-deps --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY callout callout
COPY workers workers
RUN python -m hatchling build -t wheel -d dist \
 && python -m pip --python "$APP/bin/python" install --quiet --no-deps --no-index dist/*.whl

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nats-k8s-oidc-callout" \
      org.opencontainers.image.description="Pods log in to NATS with their ServiceAccount token" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/callout /opt/callout
ENV PATH=/opt/callout/bin:$PATH
# No folder that the process happens to stand in is looked through for modules, and none is written to.
ENV PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["callout"]
CMD ["serve"]
