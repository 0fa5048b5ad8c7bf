# The image for every role: a run on one machine, head and worker of a cluster, a night. Build it with `make image`.
#
#   TORCH_INDEX  pip's index of another build of torch, such as PyTorch's own index of CPU builds. Without it torch is
#                what pip finds, on x86-64 the build for NVIDIA GPUs: it runs on CPUs as well, and takes gigabytes
#   BASE         what it is built on: a tag, since we have not seen its digest; python@sha256:... if you have
#   BUILD_BASE   BASE with what pip needs where you are (certificates, pip.conf, wheels); nothing of it is kept
#
# All of it is wheels of exact versions, their hashes checked (docs/supply-chain.md), but for one kernel that a stage of its
# own compiles: the image has no compiler. It needs no BuildKit.
ARG BASE=python:3.11-slim-bookworm
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS packages
ARG TORCH_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/sumsquares
COPY requirements.lock requirements-torch.lock ./
# torch comes last: its other dependencies are there by then, their hashes checked. From its index comes torch alone:
# whatever else lies there is none of ours. The reports are for the SBOM.
RUN mkdir wheels \
 && if [ -n "$TORCH_INDEX" ]; then \
      pip download --quiet --no-deps --dest wheels --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements-torch.lock)"; \
    fi \
 && pip --python /opt/sumsquares/bin/python install --quiet --report hashed.json --require-hashes --no-deps \
      -r requirements.lock \
 && pip --python /opt/sumsquares/bin/python install --quiet --report torch.json --find-links wheels \
      -c requirements-torch.lock torch \
 && rm -r wheels \
 && cd /opt/sumsquares/lib/python3.*/site-packages \
 && rm -rf torch/include torch/test pandas/tests  # headers and tests, 190 MB

FROM packages AS distribution
# For the lanes engine's kernel; this stage is left behind.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ > /dev/null && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml setup.py README.md LICENSE ./
COPY datasets datasets
COPY cluster cluster
COPY jobs jobs
COPY sumsquares sumsquares
RUN pip --python /opt/sumsquares/bin/python wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

FROM ${BASE} AS installed
RUN groupadd --gid 10001 sumsquares \
 && useradd --uid 10001 --gid 10001 --create-home --no-log-init --shell /usr/sbin/nologin sumsquares \
 && install -d -o 10001 -g 10001 -m 0700 /run/sumsquares \
 && install -d -o 10001 -g 10001 /store
COPY --from=packages /opt/sumsquares /opt/sumsquares
# A layer of its own, and a small one: what nodes fetch after a change of the source.
COPY --from=distribution /build/dist /tmp/dist
RUN pip --python /opt/sumsquares/bin/python install --quiet --no-cache-dir --no-deps --no-index /tmp/dist/*.whl \
 && rm -r /tmp/dist

FROM installed AS sbom
# Made from what is installed, by a script that is left behind.
ARG REVISION=""
COPY --from=packages /build/hashed.json /build/torch.json /tmp/
COPY .ci/sbom.py /tmp/
RUN /opt/sumsquares/bin/python /tmp/sbom.py "$REVISION" /tmp/hashed.json /tmp/torch.json > /tmp/sbom.json

FROM installed
COPY examples /usr/share/sumsquares/examples
COPY --from=sbom /tmp/sbom.json /usr/share/sumsquares/sbom.json
# The root is read-only at run time. Ray's own settings: those of cluster/session.py, here for `ray start`, and two that
# end a worker before the kernel ends the container, and not again and again.
ENV PATH=/opt/sumsquares/bin:$PATH \
    HOME=/home/sumsquares \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SUMSQUARES_STORE=/store \
    RAY_CHDIR_TO_TRIAL_DIR=0 \
    RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 \
    RAY_TRAIN_ENABLE_PREEMPTION_WATCHER=0 \
    RAY_TRAIN_HEALTH_CHECK_INTERVAL_S=0.5 \
    RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S=15 \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_memory_usage_threshold=0.9 \
    RAY_task_oom_retries=3
WORKDIR /usr/share/sumsquares
USER 10001:10001
VOLUME /store
STOPSIGNAL SIGTERM
# A node of a cluster is healthy when its agent says so; a run is healthy while it lives, and tells the rest itself.
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 \
 CMD ! tr '\0' ' ' < /proc/1/cmdline | grep -q 'ray start' \
 || python -c "from urllib.request import urlopen; urlopen('http://127.0.0.1:52365/api/healthz', timeout=5)"
ENTRYPOINT ["sumsquares"]
CMD ["--help"]
ARG VERSION=0.1.0
ARG REVISION=""
LABEL org.opencontainers.image.title="sumsquares" \
      org.opencontainers.image.description="Why can a network learn sums but not squares? Trains every variant." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
