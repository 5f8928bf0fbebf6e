// lib/base/version.h

#ifndef DMARCATE_LIB_BASE_VERSION_H_
#define DMARCATE_LIB_BASE_VERSION_H_

namespace dmarcate {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace dmarcate

#endif  // DMARCATE_LIB_BASE_VERSION_H_
