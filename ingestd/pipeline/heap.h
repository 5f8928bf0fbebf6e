// ingestd/pipeline/heap.h
// How the process keeps its memory small while mail of all sizes goes through it.

#ifndef DMARCATE_INGESTD_PIPELINE_HEAP_H_
#define DMARCATE_INGESTD_PIPELINE_HEAP_H_

namespace dmarcate {

// Large buffers come and go with every large mail. glibc by default moves the size from which it
// gives such memory back at once up to 32 MiB, and keeps eight arenas per core: then the peak stays
// for good. To be called once, before there are threads.
void BoundTheHeap();

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_PIPELINE_HEAP_H_
