// lib/base/freer.h
// Owners for what a C library hands out: std::unique_ptr<ldns_pkt, Freer<ldns_pkt_free>>.

#ifndef DMARCATE_LIB_BASE_FREER_H_
#define DMARCATE_LIB_BASE_FREER_H_

namespace dmarcate {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_FREER_H_
