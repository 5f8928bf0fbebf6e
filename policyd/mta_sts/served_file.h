// policyd/mta_sts/served_file.h
// A policy file as senders get it.

#ifndef DMARCATE_POLICYD_MTA_STS_SERVED_FILE_H_
#define DMARCATE_POLICYD_MTA_STS_SERVED_FILE_H_

#include <string>

namespace dmarcate {

// What https://mta-sts.<domain>/.well-known/mta-sts.txt answers, with status 200 and a trusted
// certificate.
struct ServedStsFile {
  std::string body;
  bool plain_text = true;  // its media type
};

}  // namespace dmarcate

#endif  // DMARCATE_POLICYD_MTA_STS_SERVED_FILE_H_
