/* Records a call of two seconds: record_call SOCKET. A media engine would send the RTP of the call's legs. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what) {
    fprintf(stderr, "record_call: %s\n", what);
    exit(1);
}

/* Sends a request; the response's line is in `answer`. */
static void ask(FILE *out, FILE *in, const char *request, char answer[4500]) {
    fprintf(out, "%s\n", request);
    fflush(out);
    if (!fgets(answer, 4500, in) || !strstr(answer, "&result=success")) fail(answer);
}

int main(int count, char **arguments) {
    char answer[4500] = "no response", request[64], *ports;
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    if (count != 2 || strlen(arguments[1]) >= sizeof path.sun_path) fail("usage: record_call SOCKET");
    strcpy(path.sun_path, arguments[1]);
    int control = socket(AF_UNIX, SOCK_STREAM, 0);
    int media = socket(AF_INET, SOCK_DGRAM, 0);
    int legs[2];
    if (connect(control, (struct sockaddr *)&path, sizeof path)) fail("the control socket does not answer");
    FILE *in = fdopen(control, "r");
    FILE *out = fdopen(dup(control), "w");
    ask(out, in, "cmd=RecordStartRequest&dir=in&remote_number=100&legs=2&formats=0:PCMU/8000", answer);
    unsigned long id = strtoul(strstr(answer, "&id=") + 4, NULL, 10);
    legs[0] = strtol(strstr(answer, "&leg_ports=") + 11, &ports, 10);
    legs[1] = atoi(ports + 1);
    for (unsigned n = 0; n < 100; n++) {
        for (unsigned leg = 0; leg < 2; leg++) {
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(legs[leg])};
            unsigned char rtp[172] = {0x80, 0, 0, n, 0, 0, n * 160 >> 8, n * 160, 0, 0, 0, leg + 1};
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            memset(rtp + 12, leg ? 0x30 : 0x20, 160);
            sendto(media, rtp, sizeof rtp, 0, (struct sockaddr *)&to, sizeof to);
        }
        usleep(20000);
    }
    snprintf(request, sizeof request, "cmd=RecordStopRequest&id=%lu", id);
    ask(out, in, request, answer);
    printf("%s", answer);
    return 0;
}
