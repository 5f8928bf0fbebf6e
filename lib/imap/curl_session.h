// lib/imap/curl_session.h
// ImapConnector over libcurl, which connects, verifies, encrypts and logs in. From there on the
// connection is ours (CURLOPT_CONNECT_ONLY): libcurl's own IMAP commands select a folder by a name
// that it compares without case, mark what they fetch as read, and hand out the literals of a
// command of ours by the callback for headers, with no limit.

#ifndef DMARCATE_LIB_IMAP_CURL_SESSION_H_
#define DMARCATE_LIB_IMAP_CURL_SESSION_H_

#include <functional>
#include <memory>

#include "lib/imap/session.h"

namespace dmarcate {

// Goes to the server itself, whatever proxy the environment names.
class CurlImapConnector final : public ImapConnector {
 public:
  absl::StatusOr<std::unique_ptr<ImapSession>> Connect(const ImapServer& server,
                                                       const Secret& secret,
                                                       std::function<bool()> give_up) override;
};

}  // namespace dmarcate

#endif  // DMARCATE_LIB_IMAP_CURL_SESSION_H_
