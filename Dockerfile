# The bot, slim and without root. State lives in /data: mount a volume there.
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml constraints.txt README.md ./
COPY bot bot
COPY notifier notifier
COPY pipeline pipeline
COPY locales locales
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home trainstation && install -d -o trainstation -m 700 /data
COPY --from=build /venv /venv
USER trainstation
WORKDIR /home/trainstation
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data LOG_FORMAT=json
VOLUME /data
STOPSIGNAL SIGTERM
ENTRYPOINT ["trainstation"]
CMD ["run"]
