import django.db.models.deletion
import django.utils.timezone
import pgvector.django.halfvec
from django.conf import settings
from django.db import migrations, models

READER = "forestaff_reader"
BY_SCOPE = ("memory", "memoryvector", "posting", "memoryevent", "tombstone")
BY_MEMORY = ("memorysource", "memoryuse")
VISIBLE = (
    "ANY (string_to_array(nullif(current_setting('forestaff.scopes', true), ''), ',')::bigint[])"
)
MAKE_READER = f"""
DO $$ BEGIN
    CREATE ROLE {READER} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the whole server; another database of ours made it
END $$;
DO $$ BEGIN
    IF NOT pg_has_role(current_user, '{READER}', 'MEMBER') THEN
        EXECUTE format('GRANT {READER} TO %I', current_user);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO {READER}', current_schema());
END $$;
"""


def wall(table, condition):
    """Under the reader's role, only rows that meet the condition exist."""
    return migrations.RunSQL(
        f"GRANT SELECT ON staff_{table} TO {READER};"
        f"ALTER TABLE staff_{table} ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY visible ON staff_{table} FOR SELECT TO {READER} USING ({condition});",
        f"DROP POLICY visible ON staff_{table};"
        f"ALTER TABLE staff_{table} DISABLE ROW LEVEL SECURITY;"
        f"REVOKE SELECT ON staff_{table} FROM {READER};",
    )


def of_visible_memory(table):
    return f"EXISTS (SELECT FROM staff_memory m WHERE m.id = staff_{table}.memory_id)"


class Migration(migrations.Migration):
    dependencies = [
        ("staff", "0004_routines"),
    ]

    operations = [
        pgvector.django.VectorExtension(),
        migrations.CreateModel(
            name="Memory",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("episode", "What was said or happened"),
                            ("fact", "Fact"),
                            ("procedure", "How something is done"),
                            ("chunk", "Passage of a document"),
                            ("profile", "What the boss likes"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("superseded", "Replaced by something newer"),
                            ("quarantined", "Waits for the boss to settle it"),
                            ("forgotten", "Forgotten"),
                        ],
                        default="active",
                        max_length=11,
                    ),
                ),
                ("text", models.TextField()),
                ("actor", models.CharField(blank=True, max_length=120)),
                ("thread", models.CharField(blank=True, max_length=255)),
                ("subject", models.CharField(blank=True, max_length=200)),
                ("attribute", models.CharField(blank=True, max_length=200)),
                ("value", models.TextField(blank=True)),
                ("slot", models.CharField(blank=True, max_length=401)),
                ("said_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_said_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("valid_from", models.DateTimeField(default=django.utils.timezone.now)),
                ("valid_to", models.DateTimeField(null=True)),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
                (
                    "trust",
                    models.SmallIntegerField(
                        choices=[
                            (0, "Drawn from other memories"),
                            (1, "Said by the staff"),
                            (2, "From a document or another person"),
                            (3, "Said by the boss"),
                        ],
                        default=1,
                    ),
                ),
                ("is_tainted", models.BooleanField(default=False)),
                ("is_pinned", models.BooleanField(default=False)),
                ("is_outdated", models.BooleanField(default=False)),
                ("content_hash", models.CharField(blank=True, max_length=64)),
                ("version", models.PositiveBigIntegerField(default=0)),
                ("length", models.PositiveIntegerField(default=0)),
                (
                    "goal",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="memories",
                        to="staff.goal",
                    ),
                ),
                (
                    "superseded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="supersedes",
                        to="staff.memory",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="memories",
                        to="staff.task",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "memories",
                "ordering": ["-said_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="MemorySource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(blank=True, max_length=500)),
                ("start", models.PositiveIntegerField(null=True)),
                ("end", models.PositiveIntegerField(null=True)),
                ("quote_hash", models.CharField(blank=True, max_length=64)),
                ("actor", models.CharField(blank=True, max_length=120)),
                ("said_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
                (
                    "goal",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="staff.goal",
                    ),
                ),
                (
                    "memory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sources",
                        to="staff.memory",
                    ),
                ),
                (
                    "origin",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="derived",
                        to="staff.memory",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="staff.task",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Scope",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("workspace", "Everybody here"),
                            ("team", "A team"),
                            ("agent", "One of the staff"),
                            ("boss", "Only one person"),
                        ],
                        max_length=9,
                    ),
                ),
                ("version", models.PositiveBigIntegerField(default=0)),
                ("memories", models.PositiveIntegerField(default=0)),
                ("words", models.PositiveBigIntegerField(default=0)),
                (
                    "agent",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scopes",
                        to="staff.agent",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scopes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scopes",
                        to="staff.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Posting",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "memory",
                        "term",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("term", models.CharField(max_length=40)),
                ("count", models.PositiveSmallIntegerField()),
                ("length", models.PositiveIntegerField()),
                (
                    "memory",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="postings",
                        to="staff.memory",
                    ),
                ),
                (
                    "scope",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="staff.scope",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MemoryVector",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(max_length=120)),
                ("dim", models.PositiveSmallIntegerField()),
                ("vector", pgvector.django.halfvec.HalfVectorField()),
                (
                    "memory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="vectors",
                        to="staff.memory",
                    ),
                ),
                (
                    "scope",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="staff.scope",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MemoryEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=40)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("data", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "memory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="staff.memory",
                    ),
                ),
                (
                    "scope",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="staff.scope",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddField(
            model_name="memory",
            name="scope",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="staff.scope",
            ),
        ),
        migrations.CreateModel(
            name="Tombstone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("content_hash", models.CharField(max_length=64)),
                ("actor", models.CharField(blank=True, max_length=150)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "memory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tombstones",
                        to="staff.memory",
                    ),
                ),
                (
                    "scope",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="staff.scope",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MemoryUse",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("query", models.TextField(blank=True)),
                ("rank", models.PositiveSmallIntegerField(default=0)),
                ("score", models.FloatField(default=0)),
                ("features", models.JSONField(default=dict)),
                ("was_cited", models.BooleanField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "goal",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memory_uses",
                        to="staff.goal",
                    ),
                ),
                (
                    "memory",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="uses",
                        to="staff.memory",
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memory_uses",
                        to="staff.task",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(fields=("memory", "task"), name="used_once_in_a_task")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="scope",
            constraint=models.UniqueConstraint(
                fields=("workspace", "kind", "agent", "user"),
                name="one_scope_each",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="scope",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("agent", None), ("kind", "workspace"), ("user", None)),
                    models.Q(
                        ("agent__isnull", False), ("kind__in", ["team", "agent"]), ("user", None)
                    ),
                    models.Q(("agent", None), ("kind", "boss"), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="scope_has_its_owner",
            ),
        ),
        migrations.AddIndex(
            model_name="posting",
            index=models.Index(
                fields=["scope", "term"],
                include=("memory", "count", "length"),
                name="postings_of_term",
            ),
        ),
        migrations.AddConstraint(
            model_name="memoryvector",
            constraint=models.UniqueConstraint(
                fields=("memory", "model"), name="one_vector_each_model"
            ),
        ),
        migrations.AddIndex(
            model_name="memoryevent",
            index=models.Index(fields=["scope", "-id"], name="memory_events_of_scope"),
        ),
        migrations.AddIndex(
            model_name="memory",
            index=models.Index(fields=["scope", "version"], name="memories_by_version"),
        ),
        migrations.AddIndex(
            model_name="memory",
            index=models.Index(fields=["scope", "-said_at"], name="memories_by_time"),
        ),
        migrations.AddIndex(
            model_name="memory",
            index=models.Index(fields=["scope", "thread", "said_at"], name="memories_by_thread"),
        ),
        migrations.AddIndex(
            model_name="memory",
            index=models.Index(
                condition=models.Q(("kind", "fact")),
                fields=["scope", "slot", "valid_from"],
                name="facts_by_slot",
            ),
        ),
        migrations.AddConstraint(
            model_name="memory",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    models.Q(("kind", "fact"), _negated=True),
                    models.Q(("state", "forgotten"), _negated=True),
                ),
                fields=("scope", "kind", "actor", "content_hash"),
                name="said_once_in_scope",
            ),
        ),
        migrations.AddConstraint(
            model_name="memory",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "fact"), ("state", "active")),
                fields=("scope", "slot"),
                name="one_current_value",
            ),
        ),
        migrations.AddConstraint(
            model_name="tombstone",
            constraint=models.UniqueConstraint(
                fields=("scope", "content_hash"), name="forgotten_once"
            ),
        ),
        migrations.RunSQL(
            "CREATE SEQUENCE staff_scope_version", "DROP SEQUENCE staff_scope_version"
        ),
        migrations.RunSQL(MAKE_READER, migrations.RunSQL.noop),
        wall("scope", f"id = {VISIBLE}"),
        *[wall(table, f"scope_id = {VISIBLE}") for table in BY_SCOPE],
        *[wall(table, of_visible_memory(table)) for table in BY_MEMORY],
    ]
