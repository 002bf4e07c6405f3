# One image for every process of the service. For GPUs give the index of a CUDA build of torch:
# --build-arg TORCH_INDEX=https://download.pytorch.org/whl/<cuda version>
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

RUN useradd --create-home --uid 10001 sweeper \
    && mkdir /data \
    && chown sweeper:sweeper /data

WORKDIR /opt/sweeper
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY trainers trainers
COPY sweeper sweeper
COPY api api
COPY migrations migrations
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url "$TORCH_INDEX" .

USER sweeper
ENV SWEEPER_DATA=/data \
    OMP_NUM_THREADS=1 \
    MALLOC_ARENA_MAX=1 \
    MALLOC_MMAP_THRESHOLD_=1073741824 \
    MALLOC_TRIM_THRESHOLD_=1073741824 \
    RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0
VOLUME /data
EXPOSE 8000
ENTRYPOINT []
CMD ["sweeper", "serve", "--host", "0.0.0.0", "--trusted-network"]
