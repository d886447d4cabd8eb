/* answer.c - One question about a picture, in C.
 *
 *   answer MODEL.rill PICTURE "Question?"
 *
 * Build: cc answer.c $(pkg-config --cflags --libs rill) -lrill-generate
 */
#include <rill_generate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(rill_status error) {
  if (error) {
    fprintf(stderr, "RILL-%04d %s\n  where: %s\n  why:   %s\n  mend:  %s\n",
            rill_error_code(error), rill_error_what(error),
            rill_error_where(error), rill_error_why(error),
            rill_error_mend(error));
    rill_error_free(error);
    exit(1);
  }
}

static int show(void *user, const char *piece, size_t bytes) {
  (void)user;
  fwrite(piece, 1, bytes, stdout);
  return fflush(stdout);
}

/* The whole file, to be freed; NULL when it cannot be read. */
static char *readFile(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    return NULL;
  }
  char *data = NULL;
  size_t room = 0;
  for (*bytes = 0; !feof(file) && !ferror(file);) {
    if (*bytes == room) {
      room = room ? 2 * room : 65536;
      data = realloc(data, room);
    }
    *bytes += fread(data + *bytes, 1, room - *bytes, file);
  }
  fclose(file);
  return data;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: answer MODEL.rill PICTURE QUESTION\n");
    return 2;
  }
  rill_model *model;
  rill_session *session;
  rill_generator *generator;
  check(rill_open(argv[1], NULL, &model));
  check(rill_session_create(model, NULL, &session));
  check(rill_generator_create(model, session, &generator));
  size_t bytes;
  char *picture = readFile(argv[2], &bytes);
  if (!picture) {
    fprintf(stderr, "cannot read %s\n", argv[2]);
    return 3;
  }
  check(rill_add_image_bytes(generator, picture, bytes, argv[2]));
  free(picture);
  char messages[1024]; /* the question must need no escapes */
  snprintf(messages, sizeof(messages),
           "[{\"role\": \"user\", \"content\": [{\"type\": \"image\"}, "
           "{\"type\": \"text\", \"text\": \"%s\"}]}]",
           argv[3]);
  check(rill_add_messages_json(generator, messages, strlen(messages)));
  check(rill_generate(generator, NULL, show, NULL));
  printf("\n");
  rill_stats stats = {.size = sizeof(stats)};
  check(rill_generate_stats(generator, &stats));
  fprintf(stderr, "%zu tokens, %zu of %zu drafted ones accepted in %zu steps\n",
          stats.generated_tokens, stats.accepted_tokens, stats.drafted_tokens,
          stats.verifies);
  rill_generator_free(generator);
  rill_session_free(session);
  rill_close(model);
  return 0;
}
