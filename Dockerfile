# One image for every role: a run on one machine, head or worker of a cluster, a night. Build it with `make image`.
#
#   TORCH_INDEX  pip index of another build of torch, such as PyTorch's index of CPU builds. By default torch is what
#                pip finds; on x86-64 that is the build for NVIDIA GPUs, which runs on CPUs as well and takes gigabytes
#   BASE         base image: a tag, since we have not verified its digest; python@sha256:... if you have
#   BUILD_BASE   BASE plus whatever pip needs on your network (certificates, pip.conf, wheels); not part of the result
#
# Everything is installed from wheels of exact versions with verified hashes (docs/supply-chain.md), except for one kernel,
# which a separate stage compiles: the image has no compiler. BuildKit isn't needed.
ARG BASE=python:3.11-slim-bookworm
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS packages
ARG TORCH_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ONLY_BINARY=:all: PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/sumsquares
COPY requirements.lock requirements-torch.lock ./
# torch comes last, when its other dependencies are installed with verified hashes. Only torch itself comes from its
# index, so that nothing else found there is trusted. The reports are for the SBOM.
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
# Compiles the kernels of the lanes engine and of datasets/functions; this stage is not part of the image.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ > /dev/null && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml setup.py README.md LICENSE ./
COPY examples examples
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
# A small layer of its own: after a change of the source, nodes fetch nothing else.
COPY --from=distribution /build/dist /tmp/dist
RUN pip --python /opt/sumsquares/bin/python install --quiet --no-cache-dir --no-deps --no-index /tmp/dist/*.whl \
 && rm -r /tmp/dist

FROM installed AS sbom
# Made from what is installed; the script is not part of the image.
ARG REVISION=""
COPY --from=packages /build/hashed.json /build/torch.json /tmp/
COPY .ci/sbom.py /tmp/
RUN /opt/sumsquares/bin/python /tmp/sbom.py "$REVISION" /tmp/hashed.json /tmp/torch.json > /tmp/sbom.json

FROM installed
COPY examples /usr/share/sumsquares/examples
COPY --from=sbom /tmp/sbom.json /usr/share/sumsquares/sbom.json
# The root is read-only at run time. The first RAY_ settings are those of cluster/session.py, for `ray start`. The last two
# make Ray end a worker before the kernel kills the container, and limit how often it is retried.
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
# A cluster node is healthy when its Ray agent says so. A run is healthy while it is alive, and reports the rest itself.
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
