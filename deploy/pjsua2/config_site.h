/* pjproject for a contact center: a server, audio only, a thousand calls in one process. */

#define PJ_HAS_IPV6                    1
#define PJMEDIA_HAS_VIDEO              0
#define PJSUA_HAS_VIDEO                0
#define PJ_DEBUG                       0
#define PJ_LOG_MAX_LEVEL               5

/* Capacity. Every call, player, recorder and Python port is one conference slot. */
#define PJSUA_MAX_CALLS                1024
#define PJSUA_MAX_ACC                  256
#define PJSUA_MAX_BUDDIES              256
#define PJSUA_MAX_PLAYERS              2048
#define PJSUA_MAX_RECORDERS            2048
#define PJSUA_MAX_CONF_PORTS           4096
/* Two sockets a call, and SIP. Above a thousand descriptors select() is no choice: --enable-epoll. */
#define PJ_IOQUEUE_MAX_HANDLES         8192
#define FD_SETSIZE_SETABLE             0
#define PJSIP_MAX_TSX_COUNT            ((16*1024)-1)
#define PJSIP_MAX_DIALOG_COUNT         ((16*1024)-1)
#define PJSIP_MAX_TRANSPORTS           2048
#define PJSIP_UDP_SO_SNDBUF_SIZE       (4*1024*1024)
#define PJSIP_UDP_SO_RCVBUF_SIZE       (4*1024*1024)
/* Offers of video phones and forwarded INVITEs; the edge refuses longer ones with 513. */
#define PJSIP_MAX_PKT_LEN              20000
/* What Python sees of an SDP: one that is longer would be empty. */
#define PJSUA2_MAX_SDP_BUF_LEN         20000
#define PJSIP_TCP_KEEP_ALIVE_INTERVAL  90
/* A browser's offer is larger than 1300 bytes; towards the edge on loopback UDP still serves. */
#define PJSIP_DONT_SWITCH_TO_TCP       1

/* Media: no echo cancelling or gain control, which belong to the phones. */
#define PJMEDIA_CONF_USE_AGC           0
#define PJMEDIA_HAS_SPEEX_AEC          0
#define PJMEDIA_HAS_WEBRTC_AEC         0
#define PJMEDIA_HAS_LIBWEBRTC          0
#define PJMEDIA_HAS_RTCP_XR            0
#define PJMEDIA_HAS_SRTP               1
#define PJMEDIA_SRTP_HAS_DTLS          1
#define PJMEDIA_STREAM_ENABLE_KA       0
/* Measured on tones: 2, the default, is 6 dB too loud inwards and 6 dB too soft outwards. */
#define PJMEDIA_G722_DEFAULT_PCM_SHIFT          1
#define PJMEDIA_G722_STOP_PCM_SHIFT_ON_CLIPPING 0

/* A second of a recording at a time, and fewer rounds for many streams: see patch 06. */
#define PJMEDIA_FILE_PORT_BUFSIZE            16000
#define PJ_IOQUEUE_MAX_EVENTS_IN_SINGLE_POLL 64
#define PJMEDIA_ENDPT_POLL_PAUSE             2
