# syntax=docker/dockerfile:1
# docker build -t switchyard . && docker run -p 4000:4000 switchyard
# Without a configuration file it is a passthrough: callers bring their own provider key. For your own keys and budgets mount a
# file and name it: docker run … switchyard serve --config /etc/switchyard/switchyard.yaml --host 0.0.0.0
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /opt/switchyard
COPY requirements.lock ./
RUN python -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md ./
COPY proxy proxy
COPY config config
# The lock has the build tool too, so nothing is fetched here.
RUN .venv/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/switchyard --create-home switchyard
COPY --from=build /opt/switchyard/.venv /opt/switchyard/.venv
COPY deploy/switchyard.yaml /etc/switchyard/switchyard.yaml
ENV PATH=/opt/switchyard/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
# The embedded store and the journal of an outage live under the working directory; /tmp holds the numbers of the workers.
WORKDIR /var/lib/switchyard
EXPOSE 4000 4001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:4000/livez', timeout=2)"]
ENTRYPOINT ["switchyard"]
CMD ["serve", "--host", "0.0.0.0"]
